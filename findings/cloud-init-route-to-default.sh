#!/usr/bin/env bash
# cloud-init 22.4.2 (Debian 12): `to: default`, which netplan asks for in place of the deprecated gateway4, is an error for all others.
#
# The same network configuration of version 2 is passed on to netplan, and refused where cloud-init writes files for systemd-networkd, ifupdown,
# NetworkManager or sysconfig itself: "Address default is not a valid ip address". The guest comes up without its network configuration.
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
    routes:
      - { to: default, via: 10.0.0.1 }
YAML
render() {
  rm -rf out
  PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
    --network-data network.yaml --kind yaml --distro "$2" --output-kind "$1" --mac eth0,52:54:00:01:02:03 --directory out >log 2>&1
}
{
  dpkg-deb --field cloud-init_*.deb Version
  for kind in netplan/debian networkd/debian eni/debian network-manager/fedora sysconfig/fedora; do
    if render "${kind%/*}" "${kind#*/}"; then echo "${kind%/*}: written"; else echo "${kind%/*}: $(tail -n 1 log)"; fi
  done
} | tee seen.txt
diff - seen.txt <<'TEXT' || { tail -n 3 log; echo 'changed: see above'; exit 1; }
22.4.2-1+deb12u4
netplan: written
networkd: ValueError: Address default is not a valid ip address
eni: ValueError: Address default is not a valid ip address
network-manager: ValueError: Address default is not a valid ip address
sysconfig: ValueError: Address default is not a valid ip address
TEXT
