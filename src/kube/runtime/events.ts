/** Records Kubernetes events, and aggregates those that repeat. */

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { TokenBucket } from '../../system/token-bucket.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { printable } from '../../telemetry/printable.ts';
import { ApiError } from '../client/api-error.ts';
import { microTime } from '../client/micro-time.ts';

/**
 * Uses the core API: `kubectl describe` orders events by `lastTimestamp`, which events.k8s.io deprecates and refuses in a new event.
 * That has whole seconds, and a whole create may take less than one; within a second, events are ordered by their names.
 * https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#event-v1-core
 */
export interface KubeEvent extends KubeObject {
  /** When it was seen first; RFC 3339 with microseconds, as the next one. */
  eventTime: string;
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  message: string;
  involvedObject: { apiVersion: string; kind: string; name: string; namespace?: string; uid?: string };
  reportingComponent: string;
  reportingInstance: string;
  /** When it was seen last; RFC 3339, and the API server keeps whole seconds only. */
  lastTimestamp: string;
  /** Only once it happened again. */
  series?: { count: number; lastObservedTime: string };
}

export const EventKind: ResourceKind<KubeEvent> = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

export interface EventRecorderOptions {
  readonly store: Store;
  /** Who reports: a qualified name, for example `caplv.k8s.io/machine-controller`. Also the field manager. */
  readonly controller: string;
  readonly log: Logger;
}

/** What happened, for `kubectl describe`. Never holds a secret. */
export interface EventDetails {
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase, for machines: `DomainCreated`. */
  readonly reason: string;
  /** A sentence for people. */
  readonly note: string;
  /** What was tried, in CamelCase; default: the reason. */
  readonly action?: string;
}

/** Limits how often the count of a repeated event is written. */
const REPEAT_DELAY_MS = 5_000;
/** Forgets events that were not repeated for so long; the API server keeps events for an hour. */
const FORGET_AFTER_MS = 600_000;
/** Aggregates events about one object that have one reason and more notes than this. */
const MAX_SIMILAR = 10;
/** New events about one object. */
const RATE_LIMIT = { burst: 25, perSecond: 1 / 60 };
const MAX_NOTE_LENGTH = 1024;

interface Entry {
  readonly event: KubeEvent;
  /** It may have been recorded before. */
  isOld: boolean;
  count: number;
  lastObserved: Date;
  /** What happened since the event was written. */
  unwritten: number;
}

/**
 * Records events. A repeated event increments the count of the first one, across restarts too: a label derived from its content
 * finds it. Recording never fails and never waits.
 */
export class EventRecorder {
  private readonly options: EventRecorderOptions;
  /** By what they say. */
  private readonly entries = new Map<string, Entry>();
  /** By uid of the object. */
  private readonly limits = new Map<string | undefined, TokenBucket>();
  private writing: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  /** When the first was recorded, in ms since 1970. */
  private begun: number | undefined;

  constructor(options: EventRecorderOptions) {
    this.options = options;
  }

  record(object: KubeObject, details: EventDetails): void {
    this.begun ??= Date.now();
    this.forgetOld();
    const event = this.combine(newEvent(object, details, this.options.controller), object);
    const known = this.entries.get(identityOf(event));
    if (known) {
      known.lastObserved = new Date();
      known.event.lastTimestamp = known.lastObserved.toISOString();
      known.unwritten += 1;
      this.timer ??= setTimeout(() => void this.flush(), REPEAT_DELAY_MS).unref();
    } else if (this.isAllowed(object)) {
      const isOld = this.isOld(object);
      this.entries.set(identityOf(event), { event, isOld, count: 0, lastObserved: new Date(), unwritten: 1 });
      void this.flush();
    } else {
      this.options.log.debug('Too many events about one object, dropping', {
        object: formatKey(keyOf(object)),
      });
    }
  }

  /** Resolves when all recorded events are written, or their write has failed. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.then(async () => {
      for (const entry of this.entries.values()) if (entry.unwritten > 0) await this.write(entry);
    });
    return this.writing;
  }

  private async write(entry: Entry): Promise<void> {
    const { store, controller, log } = this.options;
    const { event, unwritten } = entry;
    try {
      if (entry.count === 0 && entry.isOld) await this.recall(entry);
      if (entry.count > 0 || !(await this.create(entry, unwritten))) {
        const counted = countedTo(entry.count + unwritten, entry);
        await store.apply(EventKind, counted, { fieldManager: controller });
      }
      entry.count += unwritten;
      entry.unwritten -= unwritten;
    } catch (error) {
      log.warn('Event was not written', { event: formatKey(keyOf(event)), reason: event.reason, error });
      // Kept for the next flush while the API server is unreachable; dropped when it was refused.
      if (error instanceof ApiError && (error.code === 0 || error.code === 429 || error.code >= 500)) {
        this.timer ??= setTimeout(() => void this.flush(), REPEAT_DELAY_MS).unref();
      } else {
        this.entries.delete(identityOf(event));
      }
    }
  }

  /**
   * Creates the event in one request, since nearly every event is new. Returns false if an earlier attempt whose answer was lost has
   * created it.
   */
  private async create(entry: Entry, count: number): Promise<boolean> {
    const { store, controller } = this.options;
    try {
      await store.create(EventKind, countedTo(count, entry), { fieldManager: controller });
      return true;
    } catch (error) {
      if (error instanceof TransientError && error.code === 'Conflict') return false;
      throw error;
    }
  }

  /** Finds the event that was written before this process began, perhaps by another pod. The API server lets only its series change. */
  private async recall(entry: Entry): Promise<void> {
    const { namespace = '' } = entry.event.metadata;
    const labelSelector = `${identityLabel(entry.event.reportingComponent)}=${identityOf(entry.event)}`;
    const [existing] = await this.options.store.list(EventKind, { namespace, labelSelector });
    entry.isOld = false;
    if (!existing) return;
    const { eventTime, action, reportingInstance } = existing;
    const { name } = existing.metadata;
    Object.assign(entry.event, { eventTime, action, reportingInstance });
    entry.event.metadata = { ...entry.event.metadata, name };
    entry.count = existing.series?.count ?? 1;
  }

  /** Returns the event itself, or the one that aggregates events which differ in their notes only. */
  private combine(event: KubeEvent, object: KubeObject): KubeEvent {
    if (this.entries.has(identityOf(event))) return event;
    const similar = [...this.entries.values()].filter(({ event: other }) => isSimilar(other, event));
    if (similar.length < MAX_SIMILAR) return event;
    const note = `(combined from similar events): ${similar[0]?.event.message ?? event.message}`;
    const combined = { type: event.type, reason: event.reason, action: event.action, note };
    return similar.at(MAX_SIMILAR)?.event ?? newEvent(object, combined, event.reportingComponent);
  }

  /** Returns true if another process may have recorded events about the object, or this one has forgotten them. */
  private isOld({ metadata }: KubeObject): boolean {
    const { begun = 0 } = this;
    const known = Math.max(begun, Date.now() - FORGET_AFTER_MS);
    return secondOf(metadata.creationTimestamp) < secondOf(known);
  }

  private isAllowed(object: KubeObject): boolean {
    const id = object.metadata.uid;
    const limit = this.limits.get(id) ?? new TokenBucket(RATE_LIMIT);
    this.limits.set(id, limit);
    return limit.tryTake();
  }

  private forgetOld(): void {
    const now = Date.now();
    const inUse = new Set<string | undefined>();
    for (const [identity, { event, lastObserved, unwritten }] of this.entries) {
      if (unwritten === 0 && now - lastObserved.getTime() > FORGET_AFTER_MS) this.entries.delete(identity);
      else inUse.add(event.involvedObject.uid);
    }
    for (const id of this.limits.keys()) if (!inUse.has(id)) this.limits.delete(id);
  }
}

function countedTo(count: number, { event, lastObserved }: Entry): KubeEvent {
  return count > 1 ? { ...event, series: { count, lastObservedTime: microTime(lastObserved) } } : event;
}

function newEvent(
  object: KubeObject,
  { type, reason, note, action = reason }: EventDetails,
  controller: string,
): KubeEvent {
  const { name, namespace, uid } = object.metadata;
  const now = new Date();
  const shown = printable(note);
  const text = shown.length > MAX_NOTE_LENGTH ? `${shown.slice(0, MAX_NOTE_LENGTH - 1)}…` : shown;
  const identity = [controller, object.kind, namespace, name, uid, type, reason, text].join('\n');
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: `${name.slice(0, 230)}.${nextOrdinal()}`,
      namespace: namespace ?? 'default',
      labels: { [identityLabel(controller)]: hash },
    },
    eventTime: microTime(now),
    type,
    reason,
    action,
    message: text,
    involvedObject: { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid },
    reportingComponent: controller,
    reportingInstance: hostname().slice(0, 128) || 'unknown',
    lastTimestamp: now.toISOString(),
  };
}

/** Names the label that holds a hash of an event's content, by which the same event is found. */
function identityLabel(controller: string): string {
  return `${controller.split('/')[0]}/event`;
}

function identityOf({ metadata, reportingComponent }: KubeEvent): string {
  return metadata.labels?.[identityLabel(reportingComponent)] ?? '';
}

let lastOrdinal = 0;

/** Returns microseconds since 1970, later than the last ones, in hexadecimal digits of fixed length, so that names sort by time. */
function nextOrdinal(): string {
  lastOrdinal = Math.max(lastOrdinal + 1, Date.now() * 1_000);
  return lastOrdinal.toString(16).padStart(13, '0');
}

/** Returns whole seconds since 1970, as the API server keeps them. */
function secondOf(time: string | number = 0): number {
  return Math.floor(new Date(time).getTime() / 1_000);
}

function isSimilar(a: KubeEvent, b: KubeEvent): boolean {
  const sameObject =
    a.involvedObject.uid === b.involvedObject.uid && a.metadata.namespace === b.metadata.namespace;
  return (
    sameObject &&
    a.involvedObject.name === b.involvedObject.name &&
    a.type === b.type &&
    a.reason === b.reason
  );
}
