/** Renders a stack without resources. */

import { backendBlock } from './backend-block.ts';
import type { BackendIntent } from './intent.ts';
import { canonical, type JsonObject } from './json.ts';
import { literal } from './literal.ts';

/**
 * Returns a stack with only its provider, which is all that a destroy needs. Written without cdktf, since loading it would take most of
 * the time of a deletion; a test compares it with a stack of cdktf.
 */
export function emptyStack(uri: string, backend: BackendIntent): JsonObject {
  return canonical({
    provider: { libvirt: [{ uri: literal(uri) }] },
    terraform: {
      backend: backendBlock(backend),
      required_providers: { libvirt: { source: 'dmacvicar/libvirt', version: '0.8.3' } },
    },
  });
}
