#!/usr/bin/env bash
# virsh 9.0.0 (Debian 12): of several commands in one call, only the last decides the exit status.
#
# Seen: `virsh 'undefine nope; echo done'` reports the error on stderr, goes on, and exits with 0; with the two the other way round it exits with 1.
# Nothing on stdout says which of the commands failed, so that whoever sends several must mark and count the answers.
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
status=0
{
  virsh --version
  for commands in 'undefine nope; echo done' 'echo done; undefine nope' 'undefine nope; undefine nope; domstate test'; do
    virsh "$commands" >out.txt 2>err.txt && status=0 || status=$?
    echo "$commands: exit $status, errors $(grep -c '^error' err.txt)"
  done
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
9.0.0
undefine nope; echo done: exit 0, errors 1
echo done; undefine nope: exit 1, errors 1
undefine nope; undefine nope; domstate test: exit 0, errors 2
TEXT
echo 'as described: errors before the last command leave the exit status at 0'
