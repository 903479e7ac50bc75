#!/usr/bin/env bash
# libvirt 9.0.0 (Debian 12): `net-update modify ip-dhcp-host` replaces whatever reservation shares the MAC, the host name or the address.
#
# Seen: of `<host mac=A name=a ip=.10>`, a `modify` with MAC B, name b and the same address leaves only B's: A has lost its address, without an error. The
# next, with MAC C and name b, takes B's away by the name. `add` refuses each of them. Neither looks whether the address lies in the network: 10.0.0.1 is
# taken by one of 192.168.122.0/24. Who reserves by "modify, else add" takes reservations from others.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
# The package and what it needs, unpacked here: nothing is installed.
apt-get update >apt.log 2>&1 || true
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances libvirt-clients |
  grep -E '^[a-z0-9]' | grep -vE '^(libc6|libgcc-s1|gcc-12-base|debconf|dpkg|tar|perl.*|libperl.*)$' | sort -u)
apt-get download $packages >apt.log 2>&1 || { tail -n 3 apt.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" root; done
# The driver for tests lives in the process: no daemon, no host.
virsh() {
  LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu root/usr/bin/virsh --quiet --connect test:///default "$@"
}
host() { echo "<host mac='52:54:00:00:00:0$1' name='$2' ip='$3'/>"; }
{
  virsh --version
  # The driver forgets what a process has done when it ends: all in one.
  virsh "net-update default add-last ip-dhcp-host \"$(host 1 a 192.168.122.10)\"; net-dumpxml default;
    net-update default add-last ip-dhcp-host \"$(host 2 b 192.168.122.10)\";
    net-update default modify ip-dhcp-host \"$(host 2 b 192.168.122.10)\"; net-dumpxml default;
    net-update default modify ip-dhcp-host \"$(host 3 b 10.0.0.1)\"; net-dumpxml default" 2>err.txt |
    grep -o '<host .*/>'
  grep -o 'there is an existing dhcp host entry' err.txt
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
9.0.0
<host mac='52:54:00:00:00:01' name='a' ip='192.168.122.10'/>
<host mac='52:54:00:00:00:02' name='b' ip='192.168.122.10'/>
<host mac='52:54:00:00:00:03' name='b' ip='10.0.0.1'/>
there is an existing dhcp host entry
TEXT
