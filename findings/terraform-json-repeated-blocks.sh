#!/usr/bin/env bash
# terraform 1.11.4: a property that stands twice in a .tf.json file means both where it holds blocks, and is an error where it holds an argument.
#
# Seen: with {"resource": {…a…}, "resource": {…b…}} terraform plans a and b. JSON.parse, jq and every other common reader keep the last
# one, so that a program that reads, changes and writes the file takes resource a away, and the next apply destroys it. An argument that is
# given twice is refused ("Duplicate object attribute").
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
# The version that is pinned here: the one in PATH if it is that, else built from its Go module (minutes).
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1
terraform=$(command -v terraform || true)
if [ "$("${terraform:-false}" version 2>/dev/null | head -n 1)" != "Terraform v1.11.4" ]; then
  GOBIN=$dir/bin go install github.com/hashicorp/terraform@v1.11.4
  terraform=$dir/bin/terraform
fi
cat >main.tf.json <<'JSON'
{
  "resource": {"terraform_data": {"a": {"input": "1"}}},
  "resource": {"terraform_data": {"b": {"input": "2"}}}
}
JSON
mkdir twice
echo '{"resource": {"terraform_data": {"a": {"input": {"x": 1, "x": 2}}}}}' >twice/main.tf.json
{
  "$terraform" init -no-color >init.log
  "$terraform" plan -no-color | grep -E '^Plan|will be created'
  python3 -c 'import json; print("python:", json.load(open("main.tf.json")))'
  "$terraform" -chdir=twice validate -no-color 2>&1 | grep Error || true
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
  # terraform_data.a will be created
  # terraform_data.b will be created
Plan: 2 to add, 0 to change, 0 to destroy.
python: {'resource': {'terraform_data': {'b': {'input': '2'}}}}
Error: Duplicate object attribute
TEXT
echo 'as described: terraform sees two resources where a reader of JSON sees one'
