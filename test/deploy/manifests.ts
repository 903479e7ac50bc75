/** Reads the manifests of deploy/. */

import { join } from 'node:path';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/apimachinery/object.ts';

export const DEPLOY = join(import.meta.dirname, '../../deploy');

/** The fields of a Deployment that tests read. */
export interface Deployment extends KubeObject {
  readonly spec: { readonly template: { readonly metadata: object; readonly spec: PodSpec } };
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly containers: readonly [
    {
      readonly args: readonly string[];
      readonly env?: readonly { readonly name: string; readonly value: string }[];
      readonly resources: { readonly limits: { readonly memory: string } };
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    },
  ];
  readonly volumes: readonly {
    readonly name: string;
    readonly emptyDir?: { readonly medium?: 'Memory'; readonly sizeLimit: string };
    readonly secret?: { readonly secretName: string };
  }[];
}

/** The objects that `kubectl apply -k` of this directory of deploy/ would make. */
export async function kustomize(kubectl: string, directory: string): Promise<KubeObject[]> {
  const { stdout } = await execa(kubectl, ['kustomize', join(DEPLOY, directory)], { stdin: 'ignore' });
  return parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject);
}

/** The one object of this kind; with several, that of this name. */
export function objectOf<T extends KubeObject>(
  objects: readonly KubeObject[],
  kind: string,
  name?: string,
): T {
  const [found, ...others] = objects.filter(
    (object) => object.kind === kind && (name === undefined || object.metadata.name === name),
  );
  if (!found || others.length > 0) throw new Error(`deploy/ has ${others.length + 1} ${kind}s ${name ?? ''}`);
  return found as T;
}
