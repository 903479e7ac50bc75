/** Lists all readers of untrusted input. */

import type { Reader } from './reader.ts';
import { BOOTSTRAP_READERS } from './readers-of-bootstrap.ts';
import { CLUSTER_READERS } from './readers-of-clusters.ts';
import { HOST_READERS } from './readers-of-hosts.ts';
import { MANIFEST_READERS } from './readers-of-manifests.ts';
import { POLICY_READERS } from './readers-of-policy.ts';

/** All that reads what tenants, hosts and servers write. */
export const READERS: readonly Reader[] = [
  ...POLICY_READERS,
  ...CLUSTER_READERS,
  ...HOST_READERS,
  ...BOOTSTRAP_READERS,
  ...MANIFEST_READERS,
];
