/**
 * `npm run demo`: a Machine manifest becomes a running machine on a private libvirt, by the commands that a user would type.
 * `npm run demo -- --kube` and `--capi`: see kube-demo.ts and capi-demo.ts; `-- --nodes`: see nodes-demo.ts. `npm run demo -- down` removes it with all that was made there.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { takeDown } from '../lab/capi/take-down.ts';
import { GuestConsole } from '../lab/guest-console.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import { CAPI_LAB, capiDemo } from './capi-demo.ts';
import { kubeDemo } from './kube-demo.ts';
import { BIN, say, show } from './words.ts';

const DOMAIN = 'default.kube-cp';
/** Differs from the lab of the other demos, since this one is removed as a whole. */
const NODES_LAB = 'demo-nodes';
/** The small guest answers on its console at once; a pty without a reader keeps what it cannot show. */
const CONSOLE_LIMIT_MS = 10_000;

const USAGE = `usage: npm run demo              a machine, with no cluster
       npm run demo -- --kube    the controller on an API server
       npm run demo -- --capi    under Cluster API's own managers, by clusterctl (they are built once: 8 minutes)
       npm run demo -- --nodes   a Kubernetes cluster whose nodes are machines; builds their image first
       npm run demo -- down      remove it again`;

const run = new Map([
  ['', up],
  ['--kube', kube],
  ['--capi', capi],
  ['--nodes', nodes],
  ['down', down],
]).get(process.argv.slice(2).join(' '));
if (run) {
  await run();
} else {
  say(USAGE);
  process.exitCode = 2;
}

async function kube(): Promise<void> {
  await kubeDemo(await Lab.up({ name: 'demo', progress: say }));
}

async function capi(): Promise<void> {
  process.exitCode = await capiDemo();
}

/** Imported only then: it is much, and the other demos begin at once. */
async function nodes(): Promise<void> {
  const { nodesDemo } = await import('./nodes-demo.ts');
  process.exitCode = await nodesDemo(NODES_LAB);
}

async function up(): Promise<void> {
  const lab = await Lab.up({ name: 'demo', progress: say });
  const [host] = lab.hosts;
  if (!host) throw new Error('the lab has no host');
  const manifest = manifestOf(lab);
  say(
    `${manifest} is deploy/examples/kube-cp.yaml, with a small guest in place of an image from the Internet`,
  );
  show(`caplv apply -f ${manifest} --wait=5m`);
  if (!(await caplv(lab, 'apply', '-f', manifest, '--wait=5m'))) {
    process.exitCode = 1;
    return;
  }
  show('caplv get machines -o wide');
  await caplv(lab, 'get', 'machines', '-o', 'wide');
  show('caplv console kube-cp');
  process.stdout.write(await lastConsoleLines(host.uri));
  say(`
Next, in this directory:
  eval "$(npm run -s lab -- env)"          caplv and virsh then use the lab
  caplv describe machine kube-cp           conditions, addresses, Terraform resources
  caplv console kube-cp                    its serial console; leave it with ^]
  caplv plan -f ${manifest}
  npx cdktf diff kube-cp --skip-provider-lock
  npm run demo -- down                     remove it again`);
}

async function down(): Promise<void> {
  // Left by demos that were killed.
  const left = [await takeDown(CAPI_LAB), await takeDown(NODES_LAB)];
  const lab = await Lab.find({ name: 'demo' });
  if (!lab) {
    say(left.includes(true) ? 'nothing is left but the cache' : 'there is no demo');
    return;
  }
  if (existsSync(join(lab.directory, 'kube'))) await KubeLab.down(join(lab.directory, 'kube'));
  if (existsSync(lab.env()['CAPLV_STATE_DIR'] ?? '')) await caplv(lab, 'delete', '-f', manifestOf(lab));
  await lab.down();
  say('the lab is down; nothing is left but the cache');
}

function manifestOf(lab: Lab): string {
  return lab.env()['CAPLV_MANIFESTS'] ?? '';
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
    await console.ask(/uptime.*\n/, AbortSignal.timeout(CONSOLE_LIMIT_MS));
    return `${console.text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-8)
      .join('\n')}\n`;
  } finally {
    await console.close();
  }
}
