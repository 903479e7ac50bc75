/** What `caplv describe` is asked for. */

import type { ClusterFlags } from './cluster-session.ts';

export interface DescribeFlags extends ClusterFlags {
  readonly output?: 'json' | 'yaml';
}
