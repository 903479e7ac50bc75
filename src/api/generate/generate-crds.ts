/** `npm run generate`: writes the CRDs and docs/api.md, which are made from the schemas. A test fails when the files differ from what this writes. */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { INFRASTRUCTURE_KINDS } from '../infrastructure/registry.ts';
import type { ApiKind } from '../kinds/kind.ts';
import { CLUSTER_API_KINDS } from '../kinds/registry.ts';
import { crdYaml } from './crd.ts';
import { referenceText } from './reference.ts';

/** Generated files: path from the root of the project, and content. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const crds = (folder: string, kinds: readonly ApiKind[]) =>
    kinds.map((kind) => [`${folder}/${kind.plural}.yaml`, crdYaml(kind)] as const);
  return new Map([
    ...crds('deploy/crds', CLUSTER_API_KINDS),
    ...crds('deploy/infrastructure/crds', INFRASTRUCTURE_KINDS),
    ['docs/api.md', referenceText()],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of generatedFiles()) {
    const file = join(import.meta.dirname, '../../..', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    console.log(path);
  }
}
