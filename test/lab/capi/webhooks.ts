/** Redirects webhooks to managers that run outside of the cluster. */

import { execa } from 'execa';

/** Where the API server reaches the webhooks of a manager that runs as a process of this machine. */
export interface WebhookServer {
  readonly port: number;
  /** PEM of the authority that signed its certificate. */
  readonly ca: string;
}

interface ClientConfig {
  service?: { readonly path?: string };
  url?: string;
  caBundle?: string;
}

/** Those fields of a webhook configuration or of a CustomResourceDefinition that are read here. */
export interface WebhookObject {
  readonly webhooks?: readonly { readonly clientConfig: ClientConfig }[];
  readonly spec?: { readonly conversion?: { readonly webhook?: { readonly clientConfig: ClientConfig } } };
}

/** Rewrites the object in place: its webhooks are asked at 127.0.0.1, under the path that they have in their Service. */
export function atLoopback(object: WebhookObject, { port, ca }: WebhookServer): void {
  const conversion = object.spec?.conversion?.webhook;
  for (const { clientConfig } of [...(object.webhooks ?? []), ...(conversion ? [conversion] : [])]) {
    const path = clientConfig.service?.path ?? new URL(clientConfig.url ?? 'https://127.0.0.1/').pathname;
    delete clientConfig.service;
    clientConfig.url = `https://127.0.0.1:${port}${path}`;
    clientConfig.caBundle = Buffer.from(ca).toString('base64');
  }
}

/** Rewrites all webhooks and conversions of a provider that clusterctl has installed. */
export async function redirectWebhooks(
  kubectl: readonly string[],
  label: string,
  server: WebhookServer,
): Promise<void> {
  const [program = '', ...rest] = kubectl;
  const run = execa(program, [
    ...rest,
    'get',
    'mutatingwebhookconfigurations,validatingwebhookconfigurations,customresourcedefinitions',
    `--selector=cluster.x-k8s.io/provider=${label}`,
    '--output=json',
  ]);
  const list = JSON.parse((await run).stdout) as { readonly items: readonly WebhookObject[] };
  for (const item of list.items) atLoopback(item, server);
  await execa(program, [...rest, 'replace', '--filename=-'], { input: JSON.stringify(list) });
}
