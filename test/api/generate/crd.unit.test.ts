/** Verifies that the generated CRDs are up to date, structural and documented. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { crdOf } from '../../../src/api/generate/crd.ts';
import { generatedFiles } from '../../../src/api/generate/generate-crds.ts';
import { INFRASTRUCTURE_KINDS } from '../../../src/api/infrastructure/registry.ts';
import { CLUSTER_API_KINDS } from '../../../src/api/kinds/registry.ts';
import type { OpenAPI } from '../../../src/api/schema/structural-schema.ts';

const ROOT = join(import.meta.dirname, '../../..');
const FOLDERS = [
  { folder: 'deploy/crds', kinds: CLUSTER_API_KINDS },
  { folder: 'deploy/infrastructure/crds', kinds: INFRASTRUCTURE_KINDS },
];

const generated = generatedFiles();

describe('generated files are those that `npm run generate` writes', () => {
  test.each([...generated])('%s', async (path, content) => {
    expect(await readFile(join(ROOT, path), 'utf8')).toBe(content);
  });

  test.each(FOLDERS)('and $folder holds no others', async ({ folder }) => {
    const names = (await readdir(join(ROOT, folder))).filter(
      (name) => name.endsWith('.yaml') && name !== 'kustomization.yaml',
    );
    expect(names.map((name) => `${folder}/${name}`).filter((path) => !generated.has(path))).toEqual([]);
  });
});

test.each(FOLDERS)('kubectl apply -k $folder brings all CRDs', async ({ folder, kinds }) => {
  const { resources } = parse(await readFile(join(ROOT, folder, 'Kustomization'), 'utf8'));
  expect(resources.sort()).toEqual(kinds.map(({ plural }) => `${plural}.yaml`).sort());
});

describe.each([...CLUSTER_API_KINDS, ...INFRASTRUCTURE_KINDS])('$kind', (kind) => {
  const version = (crdOf(kind)['spec'] as { versions: { schema: { openAPIV3Schema: OpenAPI } }[] })
    .versions[0];
  const levels = [...walk(version?.schema.openAPIV3Schema ?? {}, kind.kind)];

  test('is structural: every level has a type, and none is closed', () => {
    const wrong = levels.filter(
      ([, level]) =>
        (level.type === undefined && !level['x-kubernetes-int-or-string']) ||
        (level.additionalProperties as unknown) === false ||
        ['anyOf', 'oneOf', 'allOf', '$ref'].some((word) => word in level),
    );
    expect(wrong.map(([path]) => path)).toEqual([]);
  });

  test('explains every field, for kubectl explain', () => {
    const silent = levels.filter(
      ([path, { description }]) =>
        // Those of metadata are the API server's own; items and values are explained by their field.
        description === undefined && !/^\w+\.metadata(\.name)?$|(\[\]|\{\})$/.test(path),
    );
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  test('holds only words that the API server knows', () => {
    const own = levels.filter(([, level]) =>
      ['sensitive', 'file', 'form', 'propertyNames'].some((word) => word in level),
    );
    expect(own.map(([path]) => path)).toEqual([]);
  });

  test('defaults nothing in a provider spec: a default inline would stand beside `value`', () => {
    const defaulted = levels.filter(([path, level]) => path.includes('.providerSpec') && 'default' in level);
    expect(defaulted.map(([path]) => path)).toEqual([]);
  });
});

function* walk(schema: OpenAPI, path: string): Generator<[string, OpenAPI]> {
  yield [path, schema];
  for (const [name, field] of Object.entries(schema.properties ?? {})) yield* walk(field, `${path}.${name}`);
  if (schema.items) yield* walk(schema.items, `${path}[]`);
  if (schema.additionalProperties) yield* walk(schema.additionalProperties, `${path}{}`);
}
