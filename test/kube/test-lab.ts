/** Starts an API server with widgets for one test file. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../../src/kube/client/client.ts';
import { loadConnection } from '../../src/kube/client/kubeconfig.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import type { TcpProxy } from './tcp-proxy.ts';
import { installWidgets } from './widget.ts';

/** A lab of this test file alone, with widgets. It ends with the test process at the latest. */
export async function upTestLab(): Promise<KubeLab> {
  const lab = await KubeLab.up({ dir: await mkdtemp(join(tmpdir(), 'caplv-kube-')) });
  const client = await lab.client();
  try {
    await installWidgets(client);
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  } finally {
    client.close();
  }
}

/** A client as administrator, through the proxy if there is one. */
export async function labClient(lab: KubeLab, metrics = new Metrics(), proxy?: TcpProxy): Promise<Client> {
  const connection = await loadConnection({ kubeconfig: lab.kubeconfig });
  return new Client({ ...connection, server: proxy?.url ?? connection.server }, metrics);
}
