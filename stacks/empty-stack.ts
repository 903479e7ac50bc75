/** Renders a stack without resources. */

import { backendBlock } from './backend-block.ts';
import type { BackendIntent } from './intent.ts';
import { canonical, type JsonObject } from './json.ts';
import { literal } from './literal.ts';

/**
 * A stack of nothing but its provider: all that a destroy needs. Written out, since loading cdktf for it would be most of
 * what a deletion costs; a test holds it against a stack that cdktf made.
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
