/** Writes a provider that answers what a test tells it to. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Field 1 with what a file holds, as a DynamicValue; a diagnostic where that is `problem`; no answer where it is `silence`. */
const PROGRAM = `#!${process.execPath}
const { createServer } = require('node:http2');
const { appendFileSync, readFileSync } = require('node:fs');
const own = process.argv[1];
const field = (number, bytes) => Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
const server = createServer();
server.on('stream', (stream, headers) => {
  const method = headers[':path'].split('/').at(-1);
  const text = readFileSync(own + '.answer');
  appendFileSync(own + '.calls', method + '\\n');
  if (String(text) === 'silence') return;
  stream.resume();
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  const value = field(1, field(1, text));
  const isProblem = String(text) === 'problem' && method === 'ReadResource';
  const message = method === 'Configure' ? Buffer.alloc(0) : isProblem ? Buffer.concat([value, field(2, Buffer.from([8, 1]))]) : value;
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
});
const socket = process.env.TMPDIR + '/socket';
server.listen(socket, () => console.log('1|5|unix|' + socket + '|grpc|'));
`;

/** A program that serves as a provider does, and answers for each resource what the test has set. */
export class AnsweringProvider {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async in(directory: string): Promise<AnsweringProvider> {
    const made = new AnsweringProvider(join(directory, 'provider.cjs'));
    await made.write();
    await made.answer('as it was made');
    await writeFile(`${made.path}.calls`, '');
    return made;
  }

  /** Puts the program into its place, as an upgrade does. */
  async write(): Promise<void> {
    await writeFile(this.path, PROGRAM, { mode: 0o700 });
  }

  /** `problem`: the provider reports one; `silence`: it does not answer. */
  async answer(text: string): Promise<void> {
    await writeFile(`${this.path}.answer`, text);
  }

  /** Methods that were called, the first first. */
  async calls(): Promise<string[]> {
    return (await readFile(`${this.path}.calls`, 'utf8')).split('\n').filter(Boolean);
  }
}
