#!/usr/bin/env bash
# Node 24.21.0: zlib's zstd decompressor ends after the first frame of a file, and says nothing of the rest.
#
# A zstd file may have several frames, one after the other; `zstd -d` unpacks them all (RFC 8878, section 3: "compressed data is composed of
# one or more frames"). `cat a.zst b.zst` makes such files, and so do pzstd and the seekable format. Node's createGunzip unpacks all members
# of a gzip file. Seen with two frames of 1000 bytes: zstdDecompressSync gives 1000 bytes and no error; a stream that gets the file in one
# piece gives 1000 bytes and no error; byte by byte it gives all 2000. So whoever unpacks zstd files of others with it may keep a part of one,
# and take it for the whole.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >frames.mjs <<'JS'
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';

async function streamed(decompressor, chunks) {
  let bytes = 0;
  const count = async (parts) => {
    for await (const part of parts) bytes += part.length;
  };
  const end = await pipeline(Readable.from(chunks), decompressor, count).then(
    () => 'no error',
    ({ code }) => code,
  );
  return `${bytes} bytes, ${end}`;
}

const one = Buffer.alloc(1000, 'content ');
const frame = zlib.zstdCompressSync(one);
const two = Buffer.concat([frame, frame]);
const pieces = Array.from(two, (byte) => Buffer.from([byte]));
const members = Buffer.concat([zlib.gzipSync(one), zlib.gzipSync(one)]);
console.log(`zstd, at once: ${zlib.zstdDecompressSync(two).length} bytes`);
console.log(`zstd, in one piece: ${await streamed(zlib.createZstdDecompress(), [two])}`);
console.log(`zstd, byte by byte: ${await streamed(zlib.createZstdDecompress(), pieces)}`);
console.log(`gzip, at once: ${zlib.gunzipSync(members).length} bytes`);
JS
node_modules/.bin/node frames.mjs | tee seen.txt
diff - seen.txt <<'TEXT' || { echo 'changed: see above'; exit 1; }
zstd, at once: 1000 bytes
zstd, in one piece: 1000 bytes, no error
zstd, byte by byte: 2000 bytes, no error
gzip, at once: 2000 bytes
TEXT
