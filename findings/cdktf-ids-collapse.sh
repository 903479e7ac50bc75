#!/usr/bin/env bash
# cdktf 0.21.0 with constructs 10.7.2: construct ids that differ only in characters that Terraform does not allow become one
# resource, without an error.
#
# Seen: in one stack, resources with the ids "my.vm" and "my vm" are synthesised as one terraform_data.myvm that has the
# configuration of the second; "vmä" and "vm" likewise become "vm". The first of each pair is not in the JSON, so an apply
# would never create it, and of two that exist it would destroy one. Ids that differ in "-" and "_" stay apart.
# Cause: the unique id of a top-level construct is its id without the characters outside of [A-Za-z0-9_-]; only ids of nested
# constructs get a hash of the whole path.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error cdktf@0.21.0 constructs@10.7.2 >npm.log 2>&1 || { cat npm.log; exit 2; }
cat >stack.mjs <<'JS'
import { App, TerraformResource, TerraformStack } from 'cdktf';

class Data extends TerraformResource {
  constructor(scope, id) {
    super(scope, id, { terraformResourceType: 'terraform_data' });
    this.input = id;
  }
  synthesizeAttributes() {
    return { input: this.input };
  }
}
const stack = new TerraformStack(new App(), 'stack');
for (const id of ['my.vm', 'my vm', 'vmä', 'vm', 'a-b', 'a_b']) new Data(stack, id);
const made = stack.toTerraform().resource.terraform_data;
for (const [name, { input }] of Object.entries(made)) console.log(`${name}: ${input}`);
JS
node stack.mjs 2>/dev/null | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
myvm: my vm
vm: vm
a-b: a-b
a_b: a_b
TEXT
echo 'as described: four of six resources are left'
