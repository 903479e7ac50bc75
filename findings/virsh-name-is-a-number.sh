#!/usr/bin/env bash
# virsh 9.0.0 (Debian 12): a domain whose name is a number cannot be named while another one has that number as its id.
#
# Seen: domain "1" is defined and shut off, and domain "test" runs with the id 1. `virsh dominfo 1`, `virsh destroy 1` and `virsh undefine 1` then mean
# "test": an id goes before a name, and there is no option that says which of the two is meant. Only the UUID names the other one for sure. With
# the name "01" it is the same.
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
cat >domain.xml <<'XML'
<domain type="test"><name>1</name><memory>1024</memory><os><type>hvm</type></os></domain>
XML
sed 's/<name>1</<name>01</' domain.xml >padded.xml
{
  virsh --version
  virsh 'define domain.xml; define padded.xml; dominfo 1; dominfo 01' | sed -n 's/^Name: *//p'
  virsh 'define domain.xml; destroy 1; list --all' | grep -c 'shut off'
} 2>&1 | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
9.0.0
test
test
2
TEXT
echo 'as described: the number is read as the id of another domain'
