#!/usr/bin/env bash
# k8s.io/apiextensions-apiserver v0.36.3 and virsh 9.0.0 (Debian 12): `format: mac` and a MAC address of libvirt have little in common.
#
# A CustomResourceDefinition's `format: mac` takes addresses with dashes and dots, and of 8 and 20 bytes, which libvirt refuses. It refuses single digits
# (52:54:0:1:2:3), which libvirt takes and writes with two. Only the form with six pairs and colons means the same to both.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
# The package and what it needs, unpacked here: nothing is installed.
apt-get update >apt.log 2>&1 || true
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances libvirt-clients |
  grep -E '^[a-z0-9]' | grep -vE '^(libc6|libgcc-s1|gcc-12-base|debconf|dpkg|tar|perl.*|libperl.*)$' | sort -u)
apt-get download $packages >apt.log 2>&1 || { tail -n 3 apt.log; exit 2; }
for package in *.deb; do dpkg-deb --extract "$package" root; done
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
)

func main() {
	validator, _, err := validation.NewSchemaValidator(&apiextensions.JSONSchemaProps{Type: "string", Format: "mac"})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(validation.ValidateCustomResource(nil, os.Args[1], validator)) == 0)
}
GO
go mod init finding >log 2>&1
go get k8s.io/apiextensions-apiserver@v0.36.3 >log 2>&1 && go mod tidy >log 2>&1 && go build -o schema . || { tail -n 3 log; exit 2; }
# The driver for tests lives in the process: no daemon, no host.
virsh() {
  LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu root/usr/bin/virsh --quiet --connect test:///default "$@"
}
{
  virsh --version
  for mac in 52:54:00:01:02:03 52:54:0:1:2:3 52-54-00-01-02-03 5254.0001.0203 52:54:00:ff:fe:01:02:03; do
    echo "<domain type='test'><name>guest</name><memory>1024</memory><os><type>hvm</type></os>
      <devices><interface type='network'><mac address='$mac'/><source network='default'/></interface></devices></domain>" >guest.xml
    libvirt=$(virsh 'define guest.xml; dumpxml guest' 2>/dev/null | sed -n "s/.*<mac address='\(.*\)'.*/\1/p" || true)
    echo "$mac: schema $(./schema "$mac"), libvirt ${libvirt:-refuses}"
  done
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
9.0.0
52:54:00:01:02:03: schema true, libvirt 52:54:00:01:02:03
52:54:0:1:2:3: schema false, libvirt 52:54:00:01:02:03
52-54-00-01-02-03: schema true, libvirt refuses
5254.0001.0203: schema true, libvirt refuses
52:54:00:ff:fe:01:02:03: schema true, libvirt refuses
TEXT
