/** Builds objects of manifests. JSON is YAML, so a manifest may hold them as they are. */

export type ManifestObject = Readonly<Record<string, unknown>>;

const API_VERSION = 'cluster-api.k8s.io/v1alpha1';

/** A small machine that is not started unless `spec` says so: most tests need no guest, and one boots for 10 s. */
export function machine(name: string, spec: object): ManifestObject {
  const providerSpec = { vcpu: 1, memoryMiB: 128, running: false, ...spec };
  return { apiVersion: API_VERSION, kind: 'Machine', metadata: { name }, spec: { providerSpec } };
}

export function cluster(name: string, providerSpec: object): ManifestObject {
  return { apiVersion: API_VERSION, kind: 'Cluster', metadata: { name }, spec: { providerSpec } };
}

export function manifest(...objects: readonly ManifestObject[]): string {
  return objects.map((object) => `---\n${JSON.stringify(object, null, 2)}\n`).join('');
}
