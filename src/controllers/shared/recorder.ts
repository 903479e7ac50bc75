/** Where controllers tell what they did: Kubernetes events in a cluster, lines on the terminal standalone. */

import type { KubeObject } from '../../apimachinery/object.ts';

export interface ObjectEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word for programs. */
  readonly reason: string;
  /** A sentence for people. Holds no secrets. */
  readonly message: string;
}

export interface Recorder {
  event(object: KubeObject, event: ObjectEvent): void;
}
