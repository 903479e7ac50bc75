/** Where controllers tell what they did: Kubernetes events in a cluster, lines on the terminal standalone. */

import type { KubeObject } from '../../apimachinery/object.ts';

export interface Recorder {
  /** `reason` is one word for programs, `message` a sentence for people. Holds no secrets. */
  event(
    object: KubeObject,
    event: { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string },
  ): void;
}

/** What the queue does next: nothing until something changes, or another look after a while. */
export interface Result {
  readonly requeueAfterMs?: number;
}
