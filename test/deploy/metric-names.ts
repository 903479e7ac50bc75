/** Finds the metrics that deploy/monitoring queries. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEPLOY } from './manifests.ts';

/** Matches the names of our metrics by their prefix. Prometheus' own metrics (`up`) are not tested. */
const OURS =
  /\b(?:controller|leader_election|nodejs|process|reflector|rest_client|workqueue|caplv)_[a-z0-9_]+\b/g;

/** The metrics that the dashboard and the alert rules of deploy/monitoring query. */
export async function metricNames(): Promise<ReadonlySet<string>> {
  const directory = join(DEPLOY, 'monitoring');
  const names = new Set<string>();
  for (const file of await readdir(directory)) {
    const text = await readFile(join(directory, file), 'utf8');
    for (const [, expression = ''] of text.matchAll(/"?expr"?:\s*(.*(?:\n\s{12,}\S.*)*)/g)) {
      for (const [name] of expression.matchAll(OURS)) names.add(name.replace(/_(?:bucket|sum|count)$/, ''));
    }
  }
  if (names.size === 0) throw new Error(`no expression in ${directory} names a metric`);
  return names;
}
