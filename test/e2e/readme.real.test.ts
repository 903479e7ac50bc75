/** Verifies the commands of README.md and docs/ in a fresh checkout. */

import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { npmOf } from '../lab/node-versions.ts';
import { type Block, shellBlocks } from '../typed-commands.ts';
import { userEnvironment } from './caplv.ts';
import { useStandalone } from './standalone.ts';

const ROOT = join(import.meta.dirname, '../..');

const here = useStandalone('readme');

/** A checkout as `git clone` makes it, except that its example boots the lab's guest. */
let checkout: string;
let kube: KubeLab;

beforeAll(async () => {
  checkout = join(here().directory, 'checkout');
  await mkdir(checkout);
  await execa(
    'sh',
    ['-c', 'git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$0"', checkout],
    {
      cwd: ROOT,
    },
  );
  const example = join(checkout, 'deploy/examples/kube-cp.yaml');
  const text = await readFile(example, 'utf8');
  await writeFile(example, text.replace(/imageURI: .*/, `imageURI: ${here().lab.imagePath}`));
  kube = await KubeLab.up({ dir: join(here().directory, 'kube') });
  await mkdir(join(here().directory, '.kube'));
  await cp(kube.kubeconfig, join(here().directory, '.kube/config'));
  await chmod(join(here().directory, '.kube/config'), 0o600);
}, 120_000);

afterAll(() => kube?.down());

/** A person's shell in the checkout: each command in a process of its own, after all that was exported before. */
class Shell {
  readonly #env: Record<string, string>;
  readonly #exports: string[] = [];

  /** @param npm directory of npm and npx */
  constructor(npm: string) {
    const inherited = Object.entries(userEnvironment({})).filter(([name]) => !name.startsWith('npm_'));
    // Without the commands of this checkout, which `npm test` put there.
    const path = (here().lab.env()['PATH'] ?? '').split(':').filter((part) => !part.includes('node_modules'));
    this.#env = {
      ...Object.fromEntries(inherited),
      ...here().lab.env(),
      CAPLV_STATE_DIR: here().stateDir,
      HOME: here().directory,
      PATH: [npm, ...path].join(':'),
      npm_config_prefer_offline: 'true',
      CI: '1',
    };
    // A reader of README exports neither.
    delete this.#env['CAPLV_MANIFESTS'];
    delete this.#env['CAPLV_GUEST_IMAGE'];
  }

  /** Resolves when the command has ended, with code 0 if it is not said otherwise. */
  async type(command: string, code = 0): Promise<string> {
    if (command.startsWith('export ')) this.#exports.push(command);
    const { exitCode, all } = await this.start(command);
    expect(exitCode, `${command}\n${all}`).toBe(code);
    return String(all);
  }

  start(command: string) {
    return execa('bash', ['-c', [...this.#exports, command].join('\n')], {
      cwd: checkout,
      env: this.#env,
      extendEnv: false,
      reject: false,
      all: true,
      detached: true,
    });
  }
}

/** As fast as a person types: virsh throws away what is typed while it attaches, and sees its escape character only at the beginning. */
const KEY_INTERVAL_MS = 500;

/** Resolves when a command that does not end by itself has shown something. Called as soon as the command is started. */
async function shown(running: ReturnType<Shell['start']>, pattern: RegExp): Promise<void> {
  let text = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  running.all.on('data', (data: Buffer) => {
    text += data.toString();
    if (pattern.test(text)) resolve();
  });
  await Promise.race([promise, running]);
  expect(text).toMatch(pattern);
}

/** Presses Ctrl-C, or a key again and again, until a command ends. */
async function interrupt(running: ReturnType<Shell['start']>, key?: string): Promise<void> {
  if (!key) process.kill(-(running.pid ?? 0), 'SIGINT');
  const pressing = key && setInterval(() => running.stdin.write(key), KEY_INTERVAL_MS);
  await running;
  if (pressing) clearInterval(pressing);
}

function block(heading: string, file = 'README.md'): Block {
  const found = shellBlocks(file).find((one) => one.heading === heading);
  if (!found) throw new Error(`${file} has no commands under "${heading}"`);
  return found;
}

describe.each(['10.9.4', '11.19.1'])('a fresh checkout with npm %s', (version) => {
  let shell: Shell;

  test('installs caplv as README says', async () => {
    shell = new Shell(await npmOf(version));
    await rm(join(checkout, 'node_modules'), { recursive: true, force: true });
    await rm(join(checkout, 'dist'), { recursive: true, force: true });
    expect(await shell.type('npm --version')).toBe(version);
    const [install = '', path = ''] = block('Use it').commands;
    expect(await shell.type(install)).not.toMatch(/warn|error/i);
    await shell.type(path);
    expect(await shell.type('caplv --version')).toMatch(/^\d+\.\d+\.\d+$/);
    // The first of them is what a person would do after npm ci.
    expect(await shell.type('test/lab/setup.sh')).toBe('');
  }, 600_000);

  test('npx caplv works too, again and after a build', async () => {
    const versions = [await shell.type('npx caplv --version')];
    await shell.type('npm run build');
    versions.push(await shell.type('npx caplv --version'));
    expect(versions).toEqual([
      expect.stringMatching(/^\d+\.\d+\.\d+$/),
      expect.stringMatching(/^\d+\.\d+\.\d+$/),
    ]);
  });
});

describe('README, typed', () => {
  let shell: Shell;

  beforeAll(async () => {
    shell = new Shell(await npmOf('11.19.1'));
    const [install = '', path = ''] = block('Use it').commands;
    // It exists unless these tests run alone.
    if (!existsSync(join(checkout, 'node_modules'))) await shell.type(install);
    await shell.type(path);
  }, 600_000);

  test('Use it', async () => {
    for (const command of block('Use it').commands.slice(2)) {
      if (!command.includes('console')) {
        await shell.type(command);
        continue;
      }
      const terminal = shell.start(`script --quiet --return --command '${command}' /dev/null`);
      await shown(terminal, /Escape character/);
      await interrupt(terminal, '\x1d');
    }
    expect(await here().domains()).toEqual([]);
  });

  test('the quickstart, on this machine and on another host', async () => {
    const page = await readFile(join(checkout, 'docs/quickstart.md'), 'utf8');
    const manifest = /^```yaml\n(.*?)^```$/ms.exec(page)?.[1] ?? '';
    const key = join(here().directory, 'id_ed25519');
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], { stdin: 'ignore' });
    const own = manifest
      .replace(/imageURI: .*/, `imageURI: ${here().lab.imagePath}`)
      .replace(/ssh-ed25519 AAAA….*/, (await readFile(`${key}.pub`, 'utf8')).trim())
      .replace(/memoryInGB: .*/, 'memoryInGB: 0.125');
    await writeFile(join(checkout, 'web.yaml'), own);
    const quickstart = (heading: string) => block(heading, 'docs/quickstart.md').commands;
    const [, , doctor = ''] = quickstart('CAPLV');
    // It asks nothing on a host that has all, but only a terminal may be asked.
    await shell.type(`script --quiet --return --command '${doctor}' /dev/null`);
    const [plan = '', apply = '', get = ''] = quickstart('A machine');
    await shell.type(plan, 2);
    await shell.type(apply);
    expect(await shell.type(get)).toMatch(/web .*192\.168\.122\.\d+/);
    for (const command of quickstart('A change, and the end')) await shell.type(command);
    expect(await here().domains()).toEqual([]);
    const remote = shellBlocks('docs/quickstart.md')
      .filter(({ heading }) => heading === 'On another host')
      .at(-1);
    for (const command of remote?.commands ?? []) {
      if (command.startsWith('caplv doctor')) continue;
      const uri = /qemu\+ssh:\S+/;
      await shell.type(command.replace(uri, `'${here().host.uri}'`).replace(/ --wait=\S+/, ''));
    }
    expect(await here().domains()).toEqual([]);
  });

  test('Terraform and CDKTF users', async () => {
    for (const command of block('Terraform and CDKTF users').commands) {
      const said = await shell.type(command);
      if (command.startsWith('caplv plan')) expect(said).toContain('machine/kube-cp: no changes');
    }
  });

  test('the pages about troubleshooting and earlier states', async () => {
    const example = join(checkout, 'deploy/examples/kube-cp.yaml');
    const text = await readFile(example, 'utf8');
    // A change, so that there is an earlier state.
    await writeFile(example, text.replace(/^( *)vcpu:/m, '$1autostart: true\n$1vcpu:'));
    await shell.type('caplv apply -f deploy/examples/kube-cp.yaml');
    await writeFile(example, text);
    await shell.type('caplv apply -f deploy/examples/kube-cp.yaml');
    const commands = [
      ...block('Troubleshooting', 'docs/troubleshooting.md').commands,
      ...block('Earlier states', 'docs/operations.md').commands,
      ...block('Orphans', 'docs/operations.md').commands,
    ];
    const history = JSON.parse(await shell.type('caplv state history kube-cp -o json')) as {
      serial: number;
    }[];
    const names: Record<string, string> = {
      NAME: 'kube-cp',
      '…': '-f deploy/examples/kube-cp.yaml',
      SERIAL: String(history.at(-1)?.serial),
      'qemu:///system': `'${here().host.uri}'`,
    };
    for (const command of commands) {
      await shell.type(command.replaceAll(/NAME|…|SERIAL|qemu:\/\/\/system/g, (name) => names[name] ?? name));
    }
    await shell.type('caplv delete machine kube-cp --now');
  });

  test('In a cluster', async () => {
    await shell.type(`export PATH="$PATH:${join(kube.kubectl, '..')}"`);
    const [crds = '', controller = '', watch = ''] = block('In a cluster').commands;
    await shell.type(crds);
    const running = shell.start(`CAPLV_ALLOW=everything ${controller}`);
    await shown(running, /Working/);
    await shell.type('kubectl apply -f deploy/examples/kube-cp.yaml');
    const watching = shell.start(watch);
    await shown(watching, /kube-cp +(Provisioned|Running) +True/);
    await interrupt(watching);
    await shell.type('kubectl delete -f deploy/examples/kube-cp.yaml');
    await interrupt(running);
    expect(await here().domains()).toEqual([]);
  });
});
