#!/usr/bin/env bash
# fast-xml-parser 5.12.1: by default the five named references of XML are decoded, and numeric ones are not.
#
# Seen: &lt; and &quot; come out as < and ", but &#10;, &#x9; and &#x1F600; stay as they are written, in text and in attributes. libvirt
# writes line breaks and tabs in attributes just so (&#10;, &#9;): a path with a tab, read this way and given back to
# libvirt, names another file. With htmlEntities: true they are decoded, but then &nbsp; and &cent; are too, which XML does not know.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error fast-xml-parser@5.12.1 >npm.log 2>&1 || { cat npm.log; exit 2; }
cat >read.mjs <<'JS'
import { XMLParser } from 'fast-xml-parser';
const text = '<source file="/a&#9;b&quot;">&lt;&#10;&#x1F600;&nbsp;</source>';
for (const options of [{}, { htmlEntities: true }]) {
  console.log(JSON.stringify(new XMLParser({ ignoreAttributes: false, ...options }).parse(text)));
}
JS
node read.mjs | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
{"source":{"#text":"<&#10;&#x1F600;&nbsp;","@_file":"/a&#9;b\""}}
{"source":{"#text":"<\n😀 ","@_file":"/a\tb\""}}
TEXT
echo 'as described: numeric references stay as they are written'
