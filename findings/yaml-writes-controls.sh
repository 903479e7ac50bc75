#!/usr/bin/env bash
# yaml 2.9.1 (npm): a document that it writes can be one that other parsers refuse, because of a control character in a string.
#
# Seen: stringify escapes the controls below U+0020, and writes DEL (U+007F) and those from U+0080 to U+009F as they are, in double quotes.
# YAML 1.2 wants them escaped ("on output, a YAML processor must only produce those printable characters"): its own parser reads them back,
# PyYAML 6.0.2 refuses the whole document ("special characters are not allowed").
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error yaml@2.9.1 >npm.log 2>&1 || { cat npm.log; exit 2; }
python3 -m venv venv >pip.log 2>&1 && venv/bin/pip install --quiet pyyaml==6.0.2 >pip.log 2>&1 || { cat pip.log; exit 2; }
cat >write.cjs <<'JS'
const { parse, stringify } = require('yaml');
const text = String.fromCodePoint(Number(process.argv[2])) + 'x';
const document = stringify({ text });
if (parse(document).text !== text) throw new Error('its own parser reads another text');
process.stdout.write(document);
JS
cat >read.py <<'PY'
import sys, yaml
try:
    yaml.safe_load(sys.stdin.buffer.read())
    print("read")
except yaml.YAMLError as error:
    print("refused:", str(error).splitlines()[0])
PY
for code in 27 127 128 155; do
  printf 'U+%04X ' "$code"
  node write.cjs "$code" | venv/bin/python read.py
done | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
U+001B read
U+007F refused: unacceptable character #x007f: special characters are not allowed
U+0080 refused: unacceptable character #x0080: special characters are not allowed
U+009B refused: unacceptable character #x009b: special characters are not allowed
TEXT
echo 'as described: three of four documents are refused'
