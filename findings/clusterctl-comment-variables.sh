#!/usr/bin/env bash
# clusterctl (sigs.k8s.io/cluster-api v1.14.0), the processor of its templates: a variable that is only named in a comment is required.
#
# Seen: a template whose comment says "# set ${REGION} to choose a region" cannot be generated until REGION is set ("value for
# variables [REGION] is not set"), although the text of the comment means nothing to YAML. With a single $ ("$REGION") nothing is
# asked for; with $$ ("$${REGION}") the comment comes out with one.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding

go 1.25

require sigs.k8s.io/cluster-api v1.14.0

replace sigs.k8s.io/cluster-api/api => sigs.k8s.io/cluster-api/api v1.14.0
MOD
cat >main.go <<'GO'
package main

import (
	"errors"
	"fmt"

	"sigs.k8s.io/cluster-api/cmd/clusterctl/client/yamlprocessor"
)

func main() {
	processor := yamlprocessor.NewSimpleProcessor()
	unset := func(name string) (string, error) { return "", errors.New("not set") }
	for _, comment := range []string{"${REGION}", "$REGION", "$${REGION}"} {
		text := "# set " + comment + "\nkind: Cluster\n"
		variables, _ := processor.GetVariables([]byte(text))
		out, err := processor.Process([]byte(text), unset)
		fmt.Printf("%s: variables %v, refused %t, %q\n", comment, variables, err != nil, out)
	}
}
GO
go mod tidy >go.log 2>&1 || { cat go.log; exit 2; }
go run . | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
${REGION}: variables [REGION], refused true, "# set ${REGION}\nkind: Cluster\n"
$REGION: variables [], refused false, "# set $REGION\nkind: Cluster\n"
$${REGION}: variables [], refused false, "# set ${REGION}\nkind: Cluster\n"
TEXT
echo 'as described: the comment makes the variable a required one'
