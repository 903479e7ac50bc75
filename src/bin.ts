#!/usr/bin/env node
/** Entry of the `caplv` command: refuses a Node that is too old before anything that needs a newer one is loaded. */

// Its functions by name would be an error before the first line runs, on a Node that lacks one of them.
import module from 'node:module';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `caplv needs Node 22.19 or newer, this is ${process.versions.node} (${process.execPath}).\n` +
      'A checkout brings its own: export PATH="$PWD/node_modules/.bin:$PATH" there. Elsewhere: https://nodejs.org/en/download\n',
  );
  process.exit(1);
}
// Terraform's files hold user data, and whoever can write to the cache below decides what runs here: whatever this process or its
// children make is for this user only.
process.umask(0o077);
// What is loaded is compiled once and kept (measured: --version 0.30 → 0.065 s of CPU time).
module.enableCompileCache();
// Who reads only the first lines, as head does, has all they want; what the command does besides goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
const { main } = await import('./cli/program.ts');
process.exitCode = await main(process.argv.slice(2));
