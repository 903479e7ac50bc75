#!/usr/bin/env bash
# cdktf 0.21.0: addOverride cannot name a key that has a dot in it. A backslash before the dot, which escapes it in
# the CDK for AWS, becomes part of the key.
#
# Seen: resource.addOverride('tags.example\\.org/owner', 'x') gives {"tags": {"example\\": {"org/owner": "x"}}} in place of
# {"tags": {"example.org/owner": "x"}}. Label and annotation keys of Kubernetes have dots, so that they cannot be overridden one
# by one; the whole map has to be given.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error cdktf@0.21.0 constructs@10.7.2 >npm.log 2>&1 || { cat npm.log; exit 2; }
cat >stack.mjs <<'JS'
import { App, TerraformResource, TerraformStack } from 'cdktf';

const stack = new TerraformStack(new App(), 'stack');
const resource = new TerraformResource(stack, 'one', { terraformResourceType: 'terraform_data' });
resource.addOverride('tags.example\\.org/owner', 'x');
resource.addOverride('whole', { 'example.org/owner': 'x' });
const { tags, whole } = stack.toTerraform().resource.terraform_data.one;
console.log(JSON.stringify({ tags, whole }));
JS
node stack.mjs 2>/dev/null | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
{"tags":{"example\\":{"org/owner":"x"}},"whole":{"example.org/owner":"x"}}
TEXT
echo 'as described: the escaped dot divides the path, and the backslash stays'
