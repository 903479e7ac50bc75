/** Objects of one call that cannot exist side by side. */

import { formatKey, keyOf } from '../../apimachinery/object-key.ts';
import type { Machine } from '../kinds/machine.ts';
import { formatPath } from '../schema/problem.ts';
import { findProviderSpec } from '../schema/provider-spec.ts';
import type { ManifestProblem } from './error.ts';
import type { Manifest } from './manifest.ts';

/** Two objects of one kind, namespace and name; one fixed MAC address in two machines. */
export function manifestConflicts(manifests: readonly Manifest[]): ManifestProblem[] {
  const names = manifests.map((manifest) => {
    const object = `${manifest.object.kind} ${formatKey(keyOf(manifest.object))}`;
    return { manifest, object, key: object, path: ['metadata', 'name'] as PropertyKey[] };
  });
  return [
    ...repeated(names).map(({ second, first }) => ({
      ...where(second),
      message: `this object is given twice, first at ${first.manifest.source}:${first.manifest.line}`,
      fix: 'rename or remove one of the two',
    })),
    ...repeated(manifests.flatMap(fixedMACs)).map(({ second, first }) => ({
      ...where(second),
      message: `the MAC address ${second.key} is already taken by ${first.object}`,
      fix: 'give each machine a MAC address of its own, or leave mac out',
    })),
  ];
}

interface Claim {
  readonly manifest: Manifest;
  readonly object: string;
  /** What only one may have. */
  readonly key: string;
  readonly path: readonly PropertyKey[];
}

function fixedMACs(manifest: Manifest): Claim[] {
  if (manifest.object.kind !== 'Machine') return [];
  const { metadata, spec } = manifest.object as Machine;
  const { spec: values, path } = findProviderSpec(spec.providerSpec);
  const interfaces = (values['interfaces'] ?? []) as readonly { readonly mac?: string }[];
  return interfaces.flatMap(({ mac }, index) =>
    mac === undefined
      ? []
      : {
          manifest,
          object: `Machine ${metadata.namespace}/${metadata.name}`,
          key: mac.toLowerCase(),
          path: ['spec', 'providerSpec', ...path, 'interfaces', index, 'mac'],
        },
  );
}

function repeated(claims: readonly Claim[]): { first: Claim; second: Claim }[] {
  const firsts = new Map<string, Claim>();
  return claims.flatMap((second) => {
    const first = firsts.get(second.key);
    if (!first) firsts.set(second.key, second);
    return first ? { first, second } : [];
  });
}

function where({
  manifest,
  object,
  path,
}: Claim): Pick<ManifestProblem, 'source' | 'line' | 'object' | 'path'> {
  return { source: manifest.source, line: manifest.lineOf(path), object, path: formatPath(path) };
}
