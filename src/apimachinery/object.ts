/** Objects as the Kubernetes API has them, whatever store keeps them. */

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  /** Incremented when spec changes. */
  generation?: number;
  /** RFC 3339. */
  creationTimestamp?: string;
  /** RFC 3339; set: the object is being deleted and waits for its finalizers. */
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  generateName?: string;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: unknown;
  status?: unknown;
}

/** A kind as a store sees it. `T` is the type of its objects. */
export interface ResourceKind<T extends KubeObject = KubeObject> {
  /** For example `cluster-api.k8s.io`; empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** True: lists and watches bring metadata only, so that no contents of Secrets are kept in memory. */
  readonly metadataOnly?: boolean;
  /** Returns what lists and watches keep of an object; undefined: the object cannot be read, and is left out. Default: all of it. */
  readonly pick?: (object: KubeObject) => T | undefined;
  /** Never set: carries the type. */
  readonly _type?: T;
}

export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}
