#!/usr/bin/env bash
# qemu-img 7.2 (Debian 12): a disk changes its size when it changes its format, and `qemu-img compare` calls the two identical.
#
# Seen: a raw file of 1000 bytes is a disk of 1024 bytes to qemu-img (whole sectors of 512), and stays so after a conversion to qcow2 and
# back: 24 bytes of zeros are new, and compare says "Images are identical". A new vpc (VHD) image of 10 MiB has 10514432 bytes, 28672 more,
# since the size is rounded up to a geometry of cylinders, heads and sectors; force_size=on keeps it. vdi, vhdx, vmdk and qcow2 keep
# 10 MiB. So a checksum or a size that was taken before a conversion does not fit the result.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
# The package and what it needs, unpacked here: nothing is installed.
apt-get update >apt.log 2>&1 || true
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances qemu-utils |
  grep -E '^[a-z0-9]' | grep -vE '^(libc6|libgcc-s1|gcc-12-base|debconf|dpkg|tar|perl.*|libperl.*)$' | sort -u)
apt-get download $packages >apt.log 2>&1 || { tail -n 3 apt.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" root; done
qemu_img() {
  LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu root/usr/bin/qemu-img "$@"
}
size() {
  qemu_img info --output json "$1" | sed -n '/"virtual-size"/{s/[^0-9]//g;p}' | tail -n 1
}
{
  qemu_img --version | sed -n 's/^qemu-img version \([0-9]*\.[0-9]*\).*/version \1/p'
  truncate --size 1000 disk.raw
  qemu_img convert -f raw -O qcow2 disk.raw disk.qcow2
  qemu_img convert -f qcow2 -O raw disk.qcow2 back.raw
  echo "raw: $(size disk.raw), back: $(stat --format %s back.raw), $(qemu_img compare -f raw -F raw disk.raw back.raw)"
  for format in vpc vdi vhdx vmdk qcow2; do
    qemu_img create -q -f "$format" "disk.$format" 10M
    echo "$format: $(size "disk.$format")"
  done
  qemu_img create -q -f vpc -o force_size=on forced.vpc 10M
  echo "vpc, force_size: $(size forced.vpc)"
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
version 7.2
raw: 1024, back: 1024, Images are identical.
vpc: 10514432
vdi: 10485760
vhdx: 10485760
vmdk: 10485760
qcow2: 10485760
vpc, force_size: 10485760
TEXT
echo 'as described: raw grows to whole sectors, vpc to a geometry'
