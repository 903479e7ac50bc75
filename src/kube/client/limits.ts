/** Bounds on what is read of an API server, so that none of them can exhaust the memory or the time of this process. */
export interface ResponseLimits {
  /** Bytes of one answer: an object, or a page of a list. */
  readonly bodyBytes: number;
  /** Bytes of one line of a watch: an event with its object. */
  readonly lineBytes: number;
  /** Values in the JSON of one answer; see `jsonExcess`. */
  readonly bodyValues: number;
  /** Objects of one list, and of what a watch adds to it. */
  readonly items: number;
  /** Milliseconds for one request with its repetitions, and for all pages of a list. */
  readonly requestMs: number;
  /** Bytes a second that a watch may bring in the long run; what comes faster waits in the connection. */
  readonly watchBytesPerSecond: number;
  /** Milliseconds after which a watch that its server should have ended is ended here. */
  readonly watchOverrunMs: number;
  /** Whether messages of errors, which end up in statuses, events and logs, may hold text of the server. */
  readonly quotesServer: boolean;
}

const MIB = 2 ** 20;

/** Limits the API server that the objects are in. etcd stores at most 1.5 MiB for an object; as JSON it may be larger. */
export const OWN_SERVER_LIMITS: ResponseLimits = {
  bodyBytes: 64 * MIB,
  bodyValues: Number.POSITIVE_INFINITY,
  lineBytes: 8 * MIB,
  items: 1_000_000,
  requestMs: 10 * 60_000,
  watchBytesPerSecond: 1024 * MIB,
  watchOverrunMs: 60_000,
  quotesServer: true,
};

/**
 * Limits the API server of a workload cluster, which the author of its kubeconfig chooses. A Node has 20 KiB and 500 values, mostly names
 * of images.
 */
export const WORKLOAD_SERVER_LIMITS: ResponseLimits = {
  bodyBytes: 16 * MIB,
  bodyValues: 1_000_000,
  lineBytes: MIB,
  items: 10_000,
  requestMs: 20_000,
  watchBytesPerSecond: 2 * MIB,
  watchOverrunMs: 30_000,
  quotesServer: false,
};

/** Limits the bytes that are read of an error's body. */
export const ERROR_BODY_BYTES = 16 * 1024;
