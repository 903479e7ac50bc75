#!/usr/bin/env bash
# npm yaml 2.9.1 and PyYAML 6.0.2 (which cloud-init reads its data with): a MAC address that the one writes is read by the other
# as a number, if it has decimal digits only.
#
# Seen: yaml, which follows YAML 1.2, writes {macaddress: '52:54:00:12:34:56'} without quotes. PyYAML follows YAML 1.1, where digits with
# colons are a number in base 60: it reads 41135085296. It takes five groups of 00 to 59 after the first one, as 1 of 78 addresses has
# that begin with QEMU's 52:54:00, so that few guests of many are hit: their network configuration matches no interface.
# `compat: 'yaml-1.1'` makes yaml write the quotes.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error yaml@2.9.1 >npm.log 2>&1 || { cat npm.log; exit 2; }
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target py PyYAML==6.0.2
cat >write.mjs <<'JS'
import { stringify } from 'yaml';
const data = { digits: '52:54:00:12:34:56', letters: '52:54:00:12:34:5a' };
process.stdout.write(stringify(data, process.argv[2] ? { compat: process.argv[2] } : {}));
JS
cat >read.py <<'PY'
import sys
import yaml
for key, value in yaml.safe_load(sys.stdin).items():
    print(f'{key}: {value!r}')
PY
{
  node write.mjs | PYTHONPATH=py python3 read.py
  node write.mjs yaml-1.1 | PYTHONPATH=py python3 read.py
} | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
digits: 41135085296
letters: '52:54:00:12:34:5a'
digits: '52:54:00:12:34:56'
letters: '52:54:00:12:34:5a'
TEXT
echo 'as described: an address of digits is a number to PyYAML, unless yaml was told of YAML 1.1'
