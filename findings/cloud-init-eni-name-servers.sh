#!/usr/bin/env bash
# cloud-init 22.4.2 (Debian 12): name servers of an interface reach /etc/network/interfaces a second time, as a dictionary of Python.
#
# Beside the line `dns-nameservers 10.0.0.2`, and the same for lo, stands `dns {'nameservers': ['10.0.0.2'], 'search': []}`. ifupdown hands it to its scripts as a
# variable; whoever parses the file meets braces. Only the interface's own name servers of version 2 do that.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
# cloud-init and its Python libraries, unpacked here: nothing is installed.
apt-get update >apt.log 2>&1 || true
apt-get download cloud-init python3-{attr,certifi,charset-normalizer,chardet,configobj,idna,jinja2,json-pointer,jsonpatch,jsonschema,markupsafe} \
  python3-{netifaces,oauthlib,pyrsistent,requests,serial,six,urllib3,yaml} >apt.log 2>&1 || { tail -n 3 apt.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" root; done
cat >network.yaml <<'YAML'
version: 2
ethernets:
  eth0:
    addresses: [10.0.0.5/24]
    nameservers: { addresses: [10.0.0.2] }
YAML
render() {
  rm -rf out
  PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
    --network-data network.yaml --kind yaml --distro "$2" --output-kind "$1" --mac eth0,52:54:00:01:02:03 --directory out >log 2>&1
}
{
  dpkg-deb --field cloud-init_*.deb Version
  render eni debian
  grep -vE '^(#|$)' out/etc/network/interfaces.d/50-cloud-init
} | tee seen.txt
diff - seen.txt <<'TEXT' || { tail -n 3 log; echo 'changed: see above'; exit 1; }
22.4.2-1+deb12u4
auto lo
iface lo inet loopback
    dns-nameservers 10.0.0.2
auto eth0
iface eth0 inet static
    address 10.0.0.5/24
    dns-nameservers 10.0.0.2
    dns {'nameservers': ['10.0.0.2'], 'search': []}
TEXT
