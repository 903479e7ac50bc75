#!/bin/sh
# Loads what the root disk needs, and goes over to it.
/bin/busybox mkdir -p /proc /sys /dev /newroot
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do /bin/busybox insmod "$module"; done
tries=0
until disk=$(/bin/busybox findfs LABEL=caplvroot 2>/dev/null); do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || break
  /bin/busybox usleep 50000
done
/bin/busybox mount -t ext4 -o rw,noatime "$disk" /newroot
/bin/busybox mount --move /dev /newroot/dev
/bin/busybox umount /sys /proc
exec /bin/busybox switch_root /newroot /lib/systemd/systemd
