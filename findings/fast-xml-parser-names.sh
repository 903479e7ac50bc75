#!/usr/bin/env bash
# fast-xml-parser 5.12.1: well-formed XML is refused or renamed because of the name of an element.
#
# Seen: an element called constructor or prototype makes the whole document an error ("reserved JavaScript keyword"), and one called
# hasOwnProperty or toString comes out as __hasOwnProperty and __toString; an attribute of that name keeps it. In libvirt the metadata of a domain
# may hold any element of a name space of its own, so that one domain can make a list of all domains unreadable.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >npm.log
npm install --no-audit --no-fund --loglevel=error fast-xml-parser@5.12.1 >npm.log 2>&1 || { cat npm.log; exit 2; }
cat >read.mjs <<'JS'
import { XMLParser } from 'fast-xml-parser';
const parser = new XMLParser({ ignoreAttributes: false });
for (const name of ['constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf']) {
  try {
    console.log(name, JSON.stringify(parser.parse(`<metadata><${name} xmlns="urn:example" ${name}="1"/></metadata>`)));
  } catch (error) {
    console.log(name, 'error:', error.message);
  }
}
JS
node read.mjs | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
constructor error: [SECURITY] Invalid name: "constructor" is a reserved JavaScript keyword that could cause prototype pollution
prototype error: [SECURITY] Invalid name: "prototype" is a reserved JavaScript keyword that could cause prototype pollution
toString {"metadata":{"__toString":{"@_xmlns":"urn:example","@_toString":"1"}}}
hasOwnProperty {"metadata":{"__hasOwnProperty":{"@_xmlns":"urn:example","@_hasOwnProperty":"1"}}}
valueOf {"metadata":{"__valueOf":{"@_xmlns":"urn:example","@_valueOf":"1"}}}
TEXT
echo 'as described: two names are refused, three are changed'
