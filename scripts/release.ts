/**
 * `node scripts/release.ts [--image IMAGE] [--output DIR]`: writes what a release publishes for clusterctl: components, templates,
 * metadata, the bill of materials and checksums. The directory is replaced as a whole. Needs kubectl in PATH, or its path in KUBECTL.
 */
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { billOfMaterials } from './release/bill-of-materials.ts';
import { CHECKSUMS, checksums } from './release/checksums.ts';
import { renderComponents } from './release/components.ts';

const ROOT = join(import.meta.dirname, '..');

const { version, name } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly name: string;
};
const { values } = parseArgs({
  options: {
    image: { type: 'string', default: `docker.io/library/${name}:${version}` },
    output: { type: 'string', default: join(ROOT, 'dist/release') },
  },
});

const output = resolve(values.output);
await mkdir(dirname(output), { recursive: true });
const draft = await mkdtemp(`${output}-`);
try {
  await cp(join(ROOT, 'deploy/clusterctl'), draft, { recursive: true });
  const kustomization = join(ROOT, 'deploy/infrastructure/default');
  await writeFile(
    join(draft, 'infrastructure-components.yaml'),
    await renderComponents({ kustomization, image: values.image }),
  );
  await writeFile(join(draft, `${name}-${version}.cdx.json`), await billOfMaterials());
  await writeFile(join(draft, CHECKSUMS), await checksums(draft));
  await chmod(draft, 0o755);
  await rm(output, { recursive: true, force: true });
  await rename(draft, output);
  console.error(`release: ${name} ${version} is in ${output}`);
} catch (error) {
  await rm(draft, { recursive: true, force: true });
  console.error(`release: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
