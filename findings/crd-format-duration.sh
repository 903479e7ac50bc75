#!/usr/bin/env bash
# k8s.io/apiextensions-apiserver v0.36.3 and k8s.io/apimachinery v0.36.3: `format: duration` of a CustomResourceDefinition takes what no Kubernetes type of
# that name can read.
#
# The API server lets `2 weeks`, `3 days` and `1d` through for a field with `format: duration`. metav1.Duration, the type of such fields in Go controllers
# (timeouts of Cluster API's older versions, for one), knows neither days nor weeks: a Go controller cannot decode what was stored.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	validator, _, err := validation.NewSchemaValidator(&apiextensions.JSONSchemaProps{Type: "string", Format: "duration"})
	if err != nil {
		panic(err)
	}
	for _, text := range []string{"90s", "1h30m", "1d", "3 days", "2 weeks", "5"} {
		var duration metav1.Duration
		quoted, _ := json.Marshal(text)
		fmt.Printf("%s: schema %t, metav1.Duration %t\n", text,
			len(validation.ValidateCustomResource(nil, text, validator)) == 0, json.Unmarshal(quoted, &duration) == nil)
	}
}
GO
go mod init finding >log 2>&1
go get k8s.io/apiextensions-apiserver@v0.36.3 k8s.io/apimachinery@v0.36.3 >log 2>&1 && go mod tidy >log 2>&1 || { tail -n 3 log; exit 2; }
go run . | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
90s: schema true, metav1.Duration true
1h30m: schema true, metav1.Duration true
1d: schema true, metav1.Duration false
3 days: schema true, metav1.Duration false
2 weeks: schema true, metav1.Duration false
5: schema false, metav1.Duration false
TEXT
