#!/usr/bin/env bash
# cloud-init 22.4.2 (Debian 12): a default route of IPv6 becomes a route to the link's own network.
#
# In a network configuration of version 2, `to: ::/0` is written as ::/64 for systemd-networkd, ifupdown, NetworkManager and sysconfig, so that the guest has no
# way out. `to: 0.0.0.0/0` stays what it is. netplan gets the text unread. `gateway6` works with all of them.
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
    addresses: ['fd00::5/64', 10.0.0.5/24]
    routes:
      - { to: '::/0', via: 'fd00::1' }
      - { to: 0.0.0.0/0, via: 10.0.0.1 }
YAML
render() {
  rm -rf out
  PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
    --network-data network.yaml --kind yaml --distro "$2" --output-kind "$1" --mac eth0,52:54:00:01:02:03 --directory out >log 2>&1
}
{
  dpkg-deb --field cloud-init_*.deb Version
  for kind in networkd/debian eni/debian network-manager/fedora sysconfig/fedora netplan/debian; do
    render "${kind%/*}" "${kind#*/}"
    echo "${kind%/*}: $(grep -rhoE '(::|0.0.0.0)/[0-9]+' out | sort -u | tr '\n' ' ')"
  done
} | tee seen.txt
diff - seen.txt <<'TEXT' || { tail -n 3 log; echo 'changed: see above'; exit 1; }
22.4.2-1+deb12u4
networkd: 0.0.0.0/0 ::/64 
eni: ::/64 
network-manager: 0.0.0.0/0 ::/64 
sysconfig: ::/64 
netplan: 0.0.0.0/0 ::/0 
TEXT
