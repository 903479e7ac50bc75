/** Takes a lab down with the API servers and the managers of Cluster API that stand in it. */

import { join } from 'node:path';
import { KubeLab } from '../kube/kube-lab.ts';
import { Lab } from '../lab.ts';
import { CapiLab } from './capi-lab.ts';

/** Directories of API servers in a lab's own. */
const API_SERVERS = ['kube', 'workload'];

/** Also what a process that was killed has left. Resolves to false if there is no lab of that name. */
export async function takeDown(name: string): Promise<boolean> {
  const lab = await Lab.find({ name });
  if (!lab) return false;
  await CapiLab.down(join(lab.directory, 'capi'));
  for (const server of API_SERVERS) await KubeLab.down(join(lab.directory, server));
  await lab.down();
  return true;
}
