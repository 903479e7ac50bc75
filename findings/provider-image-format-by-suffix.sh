#!/usr/bin/env bash
# dmacvicar/libvirt 0.8.3 (Go module v0.8.3): the format of a libvirt_volume without `format` is guessed from little.
#
# Of a URL only the suffix of its path counts: a qcow2 image at .../disk.img (as Ubuntu names them) becomes a volume of the format raw, and
# text at .../notes.qcow2 one of qcow2. Of a file only the header of qcow2 version 3 does: one of version 2 (qemu-img -o compat=0.10)
# becomes raw. The volume keeps that format until libvirt reads the pool again.
#
# Output seen:
#   url disk.img, qcow2 inside: qcow2=false
#   url notes.qcow2, text inside: qcow2=true
#   file of version 3: qcow2=true
#   file of version 2: qcow2=false
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
module=github.com/dmacvicar/terraform-provider-libvirt
go mod init finding >log 2>&1
source=$(go mod download -json "$module@v0.8.3" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
cp -r "$source" provider
chmod -R u+w provider
cd provider
rm -f libvirt/*_test.go
cat >libvirt/finding_test.go <<'GO'
package libvirt

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestFinding(t *testing.T) {
	say := func(what, source string) {
		img, err := newImage(source)
		if err != nil {
			t.Fatal(err)
		}
		is, err := img.IsQCOW2()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s: qcow2=%t\n", what, is)
	}
	// Nothing is asked of these servers.
	say("url disk.img, qcow2 inside", "http://127.0.0.1:9/disk.img")
	say("url notes.qcow2, text inside", "http://127.0.0.1:9/notes.qcow2")
	for _, version := range []byte{3, 2} {
		file := filepath.Join(t.TempDir(), "disk")
		header := append([]byte("QFI\xfb\x00\x00\x00"), version)
		if err := os.WriteFile(file, append(header, make([]byte, 504)...), 0o600); err != nil {
			t.Fatal(err)
		}
		say(fmt.Sprintf("file of version %d", version), file)
	}
}
GO
go test -v -run TestFinding ./libvirt 2>&1 | grep qcow2= | tee "$dir/seen"
diff "$dir/seen" - <<'SEEN'
url disk.img, qcow2 inside: qcow2=false
url notes.qcow2, text inside: qcow2=true
file of version 3: qcow2=true
file of version 2: qcow2=false
SEEN
