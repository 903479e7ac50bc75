#!/usr/bin/env bash
# k8s.io/client-go v0.36.3, package util/jsonpath, which kubectl 1.36 prints -o jsonpath with: a template with {range}…{end} can be executed once.
#
# Seen: the same parsed template that writes the first object as it should fails on the second one, with "reason is not found" here, or "not in
# range, nothing to end" where the first list had one element. A template without a range writes both. kubectl parses once and executes for each
# event, so `kubectl get NAME --watch -o 'jsonpath={range .status.conditions[…]}{.reason}{end}'` ends with an error at the second object, after it
# worked for the first. A filter without a range, {.status.conditions[?(@.type=="Ready")].reason}, says the same and works.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding

go 1.24

require k8s.io/client-go v0.36.3
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/util/jsonpath"
)

func main() {
	template := jsonpath.New("finding")
	if err := template.Parse(os.Args[1]); err != nil {
		panic(err)
	}
	for _, name := range []string{"first", "second"} {
		condition := func(kind, reason string) any { return map[string]any{"type": kind, "reason": reason} }
		object := map[string]any{"name": name, "conditions": []any{condition("Ready", "Fine"), condition("Other", "None")}}
		if err := template.Execute(os.Stdout, object); err != nil {
			fmt.Println("error:", err)
		}
	}
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
go build -o finding . >go.log 2>&1 || { cat go.log; exit 2; }
ranged=$(./finding '{.name}{" "}{range .conditions[?(@.type=="Ready")]}{.reason}{end}{"\n"}')
filtered=$(./finding '{.name}{" "}{.conditions[?(@.type=="Ready")].reason}{"\n"}')
printf '%s\n' "with a range:" "$ranged" "without one:" "$filtered"
[ "$filtered" = $'first Fine\nsecond Fine' ]
[ "${ranged%%$'\n'*}" = 'first Fine' ]
grep -q '^error: ' <<<"$ranged"
