#!/bin/sh
# Boots this machine's Debian once more, as a container with systemd that has a root file system to itself: what it writes is
# gone with it. Started by systemd-machine.ts in a new mount namespace.
#
# usage: systemd-machine.sh DIR FILES BIND    DIR: an empty directory; FILES: what is to lie over the root; BIND: a directory
#                                             that it shares with this machine
set -eu
dir=$1 files=$2 bind=$3
mount -t tmpfs -o mode=0755 machine "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
cp -a "$files/." "$dir/upper"
mount -t overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" root "$dir/root"
# What nspawn keeps there would stay.
mkdir -p /run/systemd/nspawn
mount -t tmpfs nspawn /run/systemd/nspawn
# This checkout may lie below /tmp, where nspawn would mount an empty one, and where systemd removes all at its start.
mkdir -p "$dir/root/etc/tmpfiles.d"
: >"$dir/root/etc/tmpfiles.d/tmp.conf"
export SYSTEMD_NSPAWN_TMPFS_TMP=0
exec systemd-nspawn --quiet --directory="$dir/root" --bind="$bind" --private-network --machine=caplv-test --register=no \
  --keep-unit --link-journal=no --console=pipe /lib/systemd/systemd --unit=basic.target
