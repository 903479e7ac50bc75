#!/usr/bin/env bash
# dnsmasq 2.90 (Debian 12): the host name of a DHCP reservation can be read as something else.
#
# libvirt writes a reservation as one line `MAC,address,name` for dnsmasq, and dnsmasq tells the parts by how they look. A guest whose name is a
# number, as in `<host mac=… name='45' ip=…/>`, gets a lease of so many seconds (at least 120) and no name; `3h` three hours; `infinite` one without end.
# `10.5.0.99` is the address then, in place of the reserved one. `ignore` gets no address at all. All are valid DNS names.
#
# Needs root: the server and its client run in a network namespace.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
# The packages, unpacked here: nothing is installed.
apt-get update >apt.log 2>&1 || true
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances dnsmasq-base |
  grep -E '^[a-z0-9]' | grep -vE '^(libc6|libgcc-s1|gcc-12-base|debconf.*|dpkg|tar|adduser|passwd|perl.*|libperl.*|cdebconf)$' | sort -u)
apt-get download $packages busybox >apt.log 2>&1 || { tail -n 3 apt.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" root; done
cat >serve.sh <<'SH'
set -eu
export LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu
root/usr/sbin/dnsmasq --version | head -n 1 | cut -d' ' -f1-3
ip link add server type veth peer name client
ip addr add 10.5.0.1/24 dev server
ip link set server up
ip link set client up address 52:54:00:00:00:01
for name in web 45 3h infinite 10.5.0.99 ignore; do
  echo "52:54:00:00:00:01,10.5.0.77,$name" >hosts
  : >leases
  root/usr/sbin/dnsmasq --no-daemon --conf-file=/dev/null --user=root --port=0 --interface=server --bind-interfaces --pid-file= \
    --dhcp-range=10.5.0.0,static,1h --dhcp-hostsfile=hosts --dhcp-leasefile=leases >server.log 2>&1 &
  server=$!
  until grep -q 'read hosts' server.log; do kill -0 "$server"; sleep 0.1; done
  root/bin/busybox udhcpc -i client -n -q -t 2 -T 1 -s /bin/true >client.log 2>&1 || true
  echo "$name: $(sed -n 's/.*\(lease of [0-9.]*\).*\(lease time [0-9]*\)/\1, \2/p; s/.*\(no lease\).*/\1/p' client.log), known as $(cut -d' ' -f4 leases)"
  kill "$server"
  wait "$server" || true
done
SH
unshare --net bash serve.sh 2>err.txt | tee seen.txt
diff - seen.txt <<'TEXT' || { cat err.txt; echo 'changed: see above'; exit 1; }
Dnsmasq version 2.90
web: lease of 10.5.0.77, lease time 3600, known as web
45: lease of 10.5.0.77, lease time 120, known as *
3h: lease of 10.5.0.77, lease time 10800, known as *
infinite: lease of 10.5.0.77, lease time 4294967295, known as *
10.5.0.99: lease of 10.5.0.99, lease time 3600, known as *
ignore: no lease, known as 
TEXT
