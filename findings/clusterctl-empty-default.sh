#!/usr/bin/env bash
# clusterctl (sigs.k8s.io/cluster-api v1.14.0), the processor of its templates: ${NAME:-} is not an empty default, and
# ${NAME:+text} is not the text.
#
# Seen: in a shell ${NAME:-} is the empty string when NAME is not set; here it makes NAME a required variable, as ${NAME} does, so that there is
# no way to say that a value may be left out. ${NAME:-""} works where the place takes quotes. ${SET:+text} is the text in a shell
# when SET is set; here it is the value of SET, and when it is not set it is the text: the other way round. ${NAME-text}, without the colon,
# is refused ("missing closing brace").
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
	values := func(name string) (string, error) {
		if name == "SET" {
			return "value", nil
		}
		return "", errors.New("not set")
	}
	for _, text := range []string{"${NAME:-}", "${NAME:-\"\"}", "${NAME:-text}", "${SET:+text}", "${NAME:+text}", "${NAME-text}"} {
		out, err := processor.Process([]byte(text), values)
		fmt.Printf("%s -> %q, error: %v\n", text, out, err)
	}
}
GO
go mod tidy >go.log 2>&1 || { cat go.log; exit 2; }
go run . | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
${NAME:-} -> "${NAME:-}", error: value for variables [NAME] is not set. Please set the value using os environment variables or the clusterctl config file
${NAME:-""} -> "\"\"", error: <nil>
${NAME:-text} -> "text", error: <nil>
${SET:+text} -> "value", error: <nil>
${NAME:+text} -> "text", error: <nil>
${NAME-text} -> "${NAME-text}", error: missing closing brace
TEXT
echo 'as described: an empty default is none, and the alternative is the wrong way round'
