#!/bin/sh
# customize-root.sh ROOT: makes of a Debian tree with the files of root/ in it a machine that cloud-init and kubeadm configure.
set -eu
root=$1

# The lab has no name server; CoreDNS wants one to be named.
rm -f "$root/etc/resolv.conf"
echo 'nameserver 192.0.2.53' >"$root/etc/resolv.conf"
: >"$root/etc/machine-id"
rm -f "$root"/boot/initrd*
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
# Nobody but who has the lab reaches the serial console.
chroot "$root" passwd --quiet --delete root
chroot "$root" systemctl --quiet enable systemd-networkd kubelet containerd serial-getty@ttyS0
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer cloud-init-hotplugd.socket dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service systemd-networkd-persistent-storage.service \
  systemd-pstore.service
