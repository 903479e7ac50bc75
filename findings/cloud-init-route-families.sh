#!/usr/bin/env bash
# cloud-init 22.4.2 (Debian 12): for NetworkManager all routes of an interface go where its first address goes.
#
# Of an interface with an IPv6 address before the IPv4 one, the route 0.0.0.0/0 lands in the section [ipv6] of the profile, where NetworkManager has no use for it.
# With the addresses in the other order, it lands in [ipv4]. `gateway4` and `gateway6` go to their own sections.
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
      - { to: 0.0.0.0/0, via: 10.0.0.1 }
YAML
render() {
  rm -rf out
  PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
    --network-data network.yaml --kind yaml --distro "$2" --output-kind "$1" --mac eth0,52:54:00:01:02:03 --directory out >log 2>&1
}
{
  dpkg-deb --field cloud-init_*.deb Version
  for _ in 1 2; do
    render network-manager fedora
    sed -n '/^\[ipv/p; /^address/p; /^route/p' out/etc/NetworkManager/system-connections/*
    # The same with the addresses in the other order.
    sed -i "s|'fd00::5/64', 10.0.0.5/24|10.0.0.5/24, 'fd00::5/64'|" network.yaml
  done
} | tee seen.txt
diff - seen.txt <<'TEXT' || { tail -n 3 log; echo 'changed: see above'; exit 1; }
22.4.2-1+deb12u4
[ipv6]
address1=fd00::5/64
route1=0.0.0.0/0,10.0.0.1
[ipv4]
address1=10.0.0.5/24
[ipv4]
address1=10.0.0.5/24
route1=0.0.0.0/0,10.0.0.1
[ipv6]
address1=fd00::5/64
TEXT
