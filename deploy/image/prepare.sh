#!/bin/sh
# Runs as root inside the image, after Debian's packages are installed.
set -eu
# The number is that of the Deployment's securityContext. ssh wants its user to have a name and a home.
useradd --uid 65532 --user-group --no-create-home --home-dir /home/caplv --shell /usr/sbin/nologin caplv
# Keys are mounted here; see deploy/manager/deployment.yaml.
mkdir -p /home/caplv/.ssh /home/caplv/.pki/libvirt
chown -R caplv:caplv /home/caplv
chmod -R go= /home/caplv
# What no two builds have in common.
rm -rf /var/log/* /var/cache/* /var/lib/apt/lists/* /tmp/*
rm -f /etc/machine-id
# These are not the image's where a builder mounts its own over them.
rm -f /etc/hostname /etc/resolv.conf || true
: >/etc/machine-id
