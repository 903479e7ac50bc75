/** Verifies that streams are split into lines of limited length. */

import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { LINE_CHARACTERS, linesOf, ROW_CHARACTERS, shortLines } from '../../src/system/line-stream.ts';

async function lines(...chunks: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for await (const line of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) all.push(line);
  return all;
}

it('gives lines as they come, in whatever pieces', async () => {
  expect(await lines('a', 'b\nc\n', '\nd')).toEqual(['ab', 'c', '', 'd']);
});

it('cuts a line that is longer than any', async () => {
  const [whole, cut, next] = await lines(
    `${'x'.repeat(LINE_CHARACTERS)}\n`,
    ...Array.from({ length: 10 }, () => 'y'.repeat(LINE_CHARACTERS)),
    '\nnext\n',
  );
  expect([whole, cut, next]).toEqual(['x'.repeat(LINE_CHARACTERS), 'y'.repeat(LINE_CHARACTERS), 'next']);
});

it('ends when the stream is destroyed', async () => {
  const stream = new Readable({ read() {} });
  stream.push('a\n');
  const all: string[] = [];
  for await (const line of linesOf(stream)) {
    all.push(line);
    stream.destroy();
  }
  expect(all).toEqual(['a']);
});

it('leaves out rows of a table that are longer than any', () => {
  const rows = ['x'.repeat(ROW_CHARACTERS), 'x'.repeat(ROW_CHARACTERS + 1), 'y'];
  expect(shortLines(rows.join('\n'))).toEqual([rows[0], 'y']);
});
