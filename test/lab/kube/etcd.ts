/** Makes the arguments of a small etcd, and compacts it. */

export interface EtcdOptions {
  readonly dataDir: string;
  readonly url: string;
  /** Unused by a single member, but it insists on having one. */
  readonly peerUrl: string;
}

/** Returns the arguments of an etcd of one member, without TLS, which listens on loopback only. */
export function etcdArguments({ dataDir, url, peerUrl }: EtcdOptions): string[] {
  return [
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
  ];
}

/** Forgets all revisions before the present one. */
export async function compactEtcd(url: string): Promise<void> {
  const { header } = await call(url, '/v3/maintenance/status', {});
  await call(url, '/v3/kv/compaction', { revision: header.revision, physical: true });
}

/** https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/ */
async function call(
  url: string,
  path: string,
  body: unknown,
): Promise<{ readonly header: { readonly revision: string } }> {
  const response = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as { header: { revision: string } };
}
