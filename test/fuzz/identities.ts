/** Names the machine and host that readers of the fuzz are about. */

import { UNLIMITED } from '../../src/intent/policy.ts';

export const MACHINE = { namespace: 'default', name: 'web', uid: '1b9d6bcd-0000-4000-8000-000000000001' };
export const HOST = UNLIMITED.defaultHost;
