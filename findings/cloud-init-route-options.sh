#!/usr/bin/env bash
# cloud-init 22.4.2 (Debian 12): of a route's options only destination and gateway reach systemd-networkd.
#
# `metric`, `table` and `on-link` of a network configuration of version 2 are dropped without a word, though networkd has Metric=, Table= and GatewayOnLink=.
# With an address of /32, as hosts with routed addresses give them out, the gateway cannot be reached then. netplan gets all of them.
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
    addresses: [10.0.0.5/32]
    routes:
      - { to: 10.9.0.0/16, via: 10.0.0.1, on-link: true, metric: 50, table: 7 }
YAML
render() {
  rm -rf out
  PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
    --network-data network.yaml --kind yaml --distro "$2" --output-kind "$1" --mac eth0,52:54:00:01:02:03 --directory out >log 2>&1
}
{
  dpkg-deb --field cloud-init_*.deb Version
  render networkd debian
  sed -n '/Route/,$p' out/etc/systemd/network/10-cloud-init-eth0.network | grep .
  render netplan debian
  sed -n '/routes:/,$p' out/etc/netplan/50-cloud-init.yaml | grep -oE '(metric|on-link|table): .*'
} | tee seen.txt
diff - seen.txt <<'TEXT' || { tail -n 3 log; echo 'changed: see above'; exit 1; }
22.4.2-1+deb12u4
[Route]
Destination=10.9.0.0/16
Gateway=10.0.0.1
metric: 50
on-link: true
table: 7
TEXT
