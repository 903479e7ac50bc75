import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../..');
const IMAGE = join(ROOT, 'deploy/image');

interface Reference {
  readonly 'bom-ref': string;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

interface Component {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/**
 * Lists what an installation is made of, as CycloneDX JSON: the packages of npm, as `npm sbom` lists them, and what the image adds: Node,
 * terraform, the provider and Debian's packages.
 */
export async function billOfMaterials(): Promise<string> {
  // With --omit=dev npm 11 leaves out cdktf and others that packages for development need too.
  const listing = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'];
  const { stdout } = await execa('npm', listing, { cwd: ROOT, stdin: 'ignore' });
  const bill = JSON.parse(stdout);
  const installed = await installedPackages();
  bill.components = bill.components.filter((one: Component) => installed.has(`${one.name}@${one.version}`));
  const kept = new Set<string>(bill.components.map((one: Reference) => one['bom-ref']));
  bill.dependencies = bill.dependencies
    .filter(({ ref }: Dependency) => kept.has(ref) || ref.startsWith('caplv@'))
    .map((one: Dependency) => ({ ...one, dependsOn: one.dependsOn.filter((ref) => kept.has(ref)) }));
  // npm takes the name of the directory.
  bill.metadata.component.name = 'caplv';
  bill.components.push(
    ...(await nodeComponents()),
    ...(await terraformComponents()),
    await provider(),
    ...(await debian()),
  );
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** Names and versions of what package-lock.json has for others than developers. */
async function installedPackages(): Promise<Set<string>> {
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
  return new Set(
    Object.entries<{ version?: string; dev?: boolean; name?: string }>(packages)
      .filter(([path, { dev }]) => path !== '' && !dev)
      .map(([path, { name, version }]) => `${name ?? path.split('node_modules/').at(-1)}@${version}`),
  );
}

async function nodeComponents(): Promise<Component[]> {
  const { packages } = JSON.parse(await readFile(join(IMAGE, 'node/package-lock.json'), 'utf8'));
  return Object.entries<{ version: string; integrity: string }>(packages)
    .filter(([path]) => path !== '')
    .map(([path, { version, integrity }]) => {
      const name = path.replace('node_modules/', '');
      const content = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');
      return {
        ...component(name, version, `pkg:npm/${name}@${version}`),
        hashes: [{ alg: 'SHA-512', content }],
      };
    });
}

async function terraformComponents(): Promise<Component[]> {
  const lines = (await readFile(join(IMAGE, 'terraform.sha256'), 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [, content = '', archive = '', version = ''] =
      /^([0-9a-f]{64}) {2}(terraform_([\d.]+)_.*)\.zip$/.exec(line) ?? [];
    const purl = `pkg:generic/${archive}@${version}?download_url=https://releases.hashicorp.com/terraform/${version}/${archive}.zip`;
    return { ...component('terraform', version, purl), hashes: [{ alg: 'SHA-256', content }] };
  });
}

async function provider(): Promise<Component> {
  const lock = await readFile(join(IMAGE, '.terraform.lock.hcl'), 'utf8');
  const [, version = ''] = /^ *version *= "(.*)"$/m.exec(lock) ?? [];
  const hashes = [...lock.matchAll(/"zh:([0-9a-f]{64})"/g)].map(([, content = '']) => ({
    alg: 'SHA-256',
    content,
  }));
  const purl = `pkg:golang/github.com/dmacvicar/terraform-provider-libvirt@v${version}`;
  return { ...component('terraform-provider-libvirt', version, purl), hashes };
}

/** Of the version that Debian 12 has when the image is built. */
async function debian(): Promise<Component[]> {
  const names = (await readFile(join(IMAGE, 'packages.txt'), 'utf8')).trim().split('\n');
  return names.map((name) => ({ type: 'library', name, purl: `pkg:deb/debian/${name}?distro=bookworm` }));
}

function component(name: string, version: string, purl: string): Component {
  return { type: 'application', name, version, purl };
}
