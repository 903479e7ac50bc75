#!/bin/sh
# kube-proxy-root.sh ROOT TARGET: the tree of the kube-proxy image beside kube-proxy: iptables and conntrack of the root tree, with their
# libraries.
set -eu
root=$1
target=$2
libraries=usr/lib/x86_64-linux-gnu
programs="usr/sbin/xtables-nft-multi usr/sbin/xtables-legacy-multi usr/sbin/conntrack usr/sbin/nft usr/bin/kmod"

mkdir -p "$target/usr/sbin" "$target/usr/bin" "$target/usr/lib64" "$target/$libraries" "$target/run"
for directory in sbin bin lib lib64; do ln -s "usr/$directory" "$target/$directory"; done
for program in $programs; do cp -a "$root/$program" "$target/$program"; done
ln -s kmod "$target/usr/bin/lsmod"
ln -s ../bin/kmod "$target/usr/sbin/modprobe"
for family in ip ip6; do
  for suffix in '' -save -restore; do
    ln -s xtables-nft-multi "$target/usr/sbin/${family}tables$suffix"
    ln -s xtables-nft-multi "$target/usr/sbin/${family}tables-nft$suffix"
    ln -s xtables-legacy-multi "$target/usr/sbin/${family}tables-legacy$suffix"
  done
done
for program in $programs; do chroot "$root" ldd "/$program"; done | grep -oE '/[^ ]+\.so[^ ]*' | sort -u |
  while read -r library; do
    mkdir -p "$target/$(dirname "$library")"
    cp -L "$root$library" "$target$library"
  done
cp -a "$root/$libraries/xtables" "$target/$libraries/"
