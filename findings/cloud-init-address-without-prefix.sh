#!/usr/bin/env bash
# cloud-init 22.4.2 (Debian 12): an address without a prefix is a /24, or /64, and to netplan what it was.
#
# 172.16.3.5 of a network configuration of version 2 becomes 172.16.3.5/24 for systemd-networkd, ifupdown and NetworkManager, whatever its class or its gateway;
# fd00::5 becomes fd00::5/64. netplan gets both unchanged, and refuses them. A gateway outside of the guessed range cannot be reached.
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
    addresses: [172.16.3.5, 'fd00::5']
    gateway4: 172.16.0.1
YAML
render() {
  rm -rf out
  PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
    --network-data network.yaml --kind yaml --distro "$2" --output-kind "$1" --mac eth0,52:54:00:01:02:03 --directory out >log 2>&1
}
{
  dpkg-deb --field cloud-init_*.deb Version
  for kind in networkd/debian eni/debian network-manager/fedora netplan/debian; do
    render "${kind%/*}" "${kind#*/}"
    echo "${kind%/*}: $(grep -rhoE '(172.16.3.5|fd00::5)(/[0-9]+)?' out | sort -u | tr '\n' ' ')"
  done
} | tee seen.txt
diff - seen.txt <<'TEXT' || { tail -n 3 log; echo 'changed: see above'; exit 1; }
22.4.2-1+deb12u4
networkd: 172.16.3.5/24 fd00::5/64 
eni: 172.16.3.5/24 fd00::5/64 
network-manager: 172.16.3.5/24 fd00::5/64 
netplan: 172.16.3.5 fd00::5 
TEXT
