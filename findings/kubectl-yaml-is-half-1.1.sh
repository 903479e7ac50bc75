#!/usr/bin/env bash
# sigs.k8s.io/yaml v1.6.0 (kubectl reads manifests with it) against npm yaml 2.9.1: one manifest, two meanings.
#
# Seen: sigs.k8s.io/yaml takes y, n, on, off, yes and no for booleans, 0644 for 420 and 1_000 for 1000, as YAML 1.1 does; but a time
# such as 12:30, a date and a MAC address of digits stay text, which they are not in YAML 1.1. npm yaml reads the former as text,
# 644 and text. So neither of its two schemas (1.2, and version: '1.1') reads what kubectl reads: the label `rack: on` is "on" to the
# one and refused by the other, and what is written without quotes for the one may not be fit for the other.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error yaml@2.9.1 >npm.log 2>&1 || { cat npm.log; exit 2; }
cat >go.mod <<'MOD'
module finding

go 1.24

require sigs.k8s.io/yaml v1.6.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, _ := io.ReadAll(os.Stdin)
	data, err := yaml.YAMLToJSON(text)
	fmt.Println("go     ", string(data), err)
}
GO
cat >read.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
const text = readFileSync(0, 'utf8');
console.log('npm 1.2', JSON.stringify(parse(text)));
console.log('npm 1.1', JSON.stringify(parse(text, { version: '1.1' })));
JS
go mod tidy >go.log 2>&1 || { cat go.log; exit 2; }
echo '[y, on, no, 0644, 1_000, 12:30, 52:54:00:12:34:56]' >text.yaml
{
  go run . <text.yaml
  node read.mjs <text.yaml
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
go      [true,true,false,420,1000,"12:30","52:54:00:12:34:56"] <nil>
npm 1.2 ["y","on","no",644,"1_000","12:30","52:54:00:12:34:56"]
npm 1.1 [true,true,false,420,1000,750,41135085296]
TEXT
echo 'as described: three readings of one text'
