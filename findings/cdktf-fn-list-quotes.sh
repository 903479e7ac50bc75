#!/usr/bin/env bash
# cdktf 0.21.0: a string within a list or map that is given to a Terraform function keeps its double quotes unescaped, and a
# null in it leaves no trace, so that the synthesised expression is not valid.
#
# Seen: Fn.join(',', ['a', 'b"c']) gives ${join(",", ["a", "b"c"])} and Fn.jsonencode({list: [1, null, true]}) gives
# ${jsonencode({"list" = [1, , true]})}. Synthesis reports nothing; terraform refuses the configuration later ("Invalid
# expression", "Missing item separator"). In the same list ${…} is escaped as $${…}, so some escaping does take place.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error cdktf@0.21.0 constructs@10.7.2 >npm.log 2>&1 || { cat npm.log; exit 2; }
cat >stack.mjs <<'JS'
import { App, Fn, TerraformOutput, TerraformStack } from 'cdktf';

const stack = new TerraformStack(new App(), 'stack');
const show = (id, value) => new TerraformOutput(stack, id, { value });
show('quote', Fn.join(',', ['a', 'b"c']));
show('dollar', Fn.join(',', ['${name}']));
show('null', Fn.jsonencode({ list: [1, null, true] }));
for (const [id, { value }] of Object.entries(stack.toTerraform().output)) console.log(`${id}: ${value}`);
JS
node stack.mjs 2>/dev/null | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
quote: ${join(",", ["a", "b"c"])}
dollar: ${join(",", ["$${name}"])}
null: ${jsonencode({"list" = [1, , true]})}
TEXT
echo 'as described: two of three expressions are not valid'
