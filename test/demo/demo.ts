/**
 * `npm run demo`: a Machine manifest becomes a running machine on a private libvirt, by the commands that a user would type.
 * `npm run demo -- down` removes every trace.
 */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { GuestConsole } from '../lab/guest-console.ts';
import { Lab } from '../lab/lab.ts';

const BIN = fileURLToPath(new URL('../../dist/src/bin.js', import.meta.url));
const MANIFEST = 'deploy/examples/kube-cp.yaml';
const DOMAIN = 'default.kube-cp';
/** The small guest answers on its console at once; a pty without a reader keeps what it cannot show. */
const CONSOLE_LIMIT_MS = 10_000;

const [verb = 'up', ...rest] = process.argv.slice(2);
if (!['up', 'down'].includes(verb) || rest.length > 0) {
  say(
    'usage: npm run demo            bring it up, or show that it is\n       npm run demo -- down    remove every trace',
  );
  process.exitCode = 2;
} else {
  await (verb === 'up' ? up() : down());
}

async function up(): Promise<void> {
  const lab = await Lab.up({ name: 'demo', progress: (line) => say(line) });
  const [host] = lab.hosts;
  if (!host) throw new Error('the lab has no host');
  if (!(await caplv(lab, 'apply', '-f', MANIFEST, '--wait=5m'))) {
    process.exitCode = 1;
    return;
  }
  show('caplv get machines -o wide');
  await caplv(lab, 'get', 'machines', '-o', 'wide');
  show('caplv console kube-cp');
  process.stdout.write(await lastConsoleLines(host.uri));
  say(`
Next, in this directory:
  eval "$(npm run -s lab -- env)"          use the lab by hand
  npx caplv describe machine kube-cp       conditions, addresses, Terraform resources
  npx caplv console kube-cp                its serial console; leave it with ^]
  npx caplv plan -f ${MANIFEST}
  npx cdktf diff kube-cp --skip-provider-lock
  npm run demo -- down                     remove every trace`);
}

async function down(): Promise<void> {
  const lab = await Lab.find({ name: 'demo' });
  if (!lab) {
    say('there is no demo');
    return;
  }
  if (existsSync(lab.env()['CAPLV_STATE_DIR'] ?? '')) await caplv(lab, 'delete', '-f', MANIFEST);
  await lab.down();
  say('the lab is down; nothing is left but the cache');
}

/** Runs the real command, its output passed on. True if it ended well. */
async function caplv(lab: Lab, ...args: string[]): Promise<boolean> {
  const { exitCode } = await execa(process.execPath, [BIN, ...args], {
    env: lab.env(),
    stdio: 'inherit',
    reject: false,
  });
  return exitCode === 0;
}

/** Presses Enter, to which the guest answers with its status. */
async function lastConsoleLines(uri: string): Promise<string> {
  const console = await GuestConsole.open(uri, DOMAIN);
  try {
    console.send('');
    await console.waitFor(/uptime.*\n/, AbortSignal.timeout(CONSOLE_LIMIT_MS));
    return `${console.text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-8)
      .join('\n')}\n`;
  } finally {
    await console.close();
  }
}

function show(command: string): void {
  say(`\n$ ${command}`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
