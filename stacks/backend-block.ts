/** Renders the `backend` block of a stack. */

import type { BackendIntent } from './intent.ts';
import type { Json } from './json.ts';

/** Returns the `backend` of a `terraform` block; undefined: none. Credentials of a cluster come from KUBE_* variables. */
export function backendBlock(backend: BackendIntent): Json | undefined {
  switch (backend.kind) {
    case 'implicit':
      return undefined;
    case 'local':
      return { local: { path: backend.path } };
    case 'kubernetes':
      return {
        kubernetes: {
          secret_suffix: backend.secretSuffix,
          namespace: backend.namespace,
          labels: { ...backend.labels },
          ...(backend.configPath === undefined ? {} : { config_path: backend.configPath }),
        },
      };
  }
}
