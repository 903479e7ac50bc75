/** Labels, annotations and taints that a Machine gives its Node. Pure: objects in, a patch out. */

import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Machine } from '../../api/kinds/machine.ts';
import { NODE_RECORD_ANNOTATION } from '../../api/schema/group.ts';
import type { NodeMetadata, NodeTaint } from './workload-node.ts';

/** Labels of these domains go from the Machine's own metadata to its Node, as in Cluster API; of the last two also those of subdomains. */
const PASSED_DOMAINS =
  /^(node-role\.kubernetes\.io|([^/]+\.)?(node-restriction\.kubernetes\.io|node\.cluster\.x-k8s\.io))\//;

type Named = Readonly<Record<string, string>>;

interface Wanted {
  readonly labels: Named;
  readonly annotations: Named;
  readonly taints: readonly NodeTaint[];
}

/** What of a Node came from its Machine: keys, of taints with their effect. */
type Owned = z.output<typeof OwnedSchema>;

const keys = z.array(z.string()).default([]);
const OwnedSchema = z.object({ labels: keys, annotations: keys, taints: keys });
const NOTHING: Owned = { labels: [], annotations: [], taints: [] };

/** Returns what the Machine asks for: all of `spec.metadata` and `spec.taints`, and labels of its own that are meant for Nodes. */
export function wantedOfNode({ metadata, spec }: Pick<Machine, 'metadata' | 'spec'>): Wanted {
  const passed = Object.entries(metadata.labels ?? {}).filter(([key]) => PASSED_DOMAINS.test(key));
  return {
    labels: { ...Object.fromEntries(passed), ...spec.metadata?.labels },
    annotations: spec.metadata?.annotations ?? {},
    taints: spec.taints ?? [],
  };
}

/** True if the Machine asks for nothing. */
export function wantsNothing({ labels, annotations, taints }: Wanted): boolean {
  return [labels, annotations, taints].every((one) => Object.keys(one).length === 0);
}

/**
 * Returns the JSON merge patch after which the Node has what is wanted, and nothing that only an earlier version of the Machine wanted;
 * undefined: it is so. What others gave the Node stays. Which keys are the Machine's is written to an annotation of the Node.
 */
export function nodePatch(wanted: Wanted, node: NodeMetadata): object | undefined {
  const owned = ownedBy(node);
  const labels = changes(wanted.labels, owned.labels, node.labels);
  const { [NODE_RECORD_ANNOTATION]: _, ...wantedAnnotations } = wanted.annotations;
  const annotations = {
    ...changes(wantedAnnotations, owned.annotations, node.annotations),
    ...recordChange({ ...wanted, annotations: wantedAnnotations }, node),
  };
  const taints = taintsOf(wanted.taints, owned.taints, node.taints);
  const hasOther = Object.keys(labels).length + Object.keys(annotations).length > 0;
  if (!hasOther && !taints) return undefined;
  return {
    metadata: { resourceVersion: node.resourceVersion, labels, annotations },
    ...(taints && { spec: { taints } }),
  };
}

/** What stands there and is no record of ours is taken for none. */
function ownedBy({ annotations }: NodeMetadata): Owned {
  try {
    return OwnedSchema.parse(JSON.parse(annotations[NODE_RECORD_ANNOTATION] ?? '{}'));
  } catch {
    return NOTHING;
  }
}

function changes(wanted: Named, owned: readonly string[], there: Named): Record<string, string | null> {
  const given = Object.entries(wanted).filter(([key, value]) => there[key] !== value);
  const taken = owned.filter((key) => !Object.hasOwn(wanted, key) && Object.hasOwn(there, key));
  return { ...Object.fromEntries(given), ...Object.fromEntries(taken.map((key) => [key, null])) };
}

function recordChange(wanted: Wanted, { annotations }: NodeMetadata): Record<string, string | null> {
  const before = annotations[NODE_RECORD_ANNOTATION];
  if (wantsNothing(wanted)) return before === undefined ? {} : { [NODE_RECORD_ANNOTATION]: null };
  const record = JSON.stringify({
    labels: Object.keys(wanted.labels).sort(),
    annotations: Object.keys(wanted.annotations).sort(),
    taints: wanted.taints.map(taintKey).sort(),
  });
  return record === before ? {} : { [NODE_RECORD_ANNOTATION]: record };
}

/** All taints of the Node as they are to be, since a patch replaces the whole list; undefined: they are. */
function taintsOf(
  wanted: readonly NodeTaint[],
  owned: readonly string[],
  there: readonly NodeTaint[],
): readonly NodeTaint[] | undefined {
  const byKey = new Map(wanted.map((taint) => [taintKey(taint), taint]));
  const kept = there.flatMap((taint) => {
    const own = byKey.get(taintKey(taint));
    // One that is there already keeps the time since which it is.
    if (own) return (own.value ?? '') === (taint.value ?? '') ? taint : bare(own);
    return owned.includes(taintKey(taint)) ? [] : taint;
  });
  const known = new Set(there.map(taintKey));
  const added = [...byKey.values()].filter((taint) => !known.has(taintKey(taint))).map(bare);
  const all = [...kept, ...added];
  return isDeepStrictEqual(all, there) ? undefined : all;
}

/** Without `timeAdded`, which the controllers of the workload cluster give to taints that evict. */
function bare({ key, value, effect }: NodeTaint): NodeTaint {
  return { key, effect, ...(value && { value }) };
}

function taintKey({ key, effect }: NodeTaint): string {
  return `${key}:${effect}`;
}
