/** Makes the URI of a host that a test may open. */

import { UNLIMITED } from '../../src/intent/policy.ts';
import type { AllowedHost } from '../../src/system/allowed-host.ts';

/** The host of a URI, for tests that open it themselves. */
export function hostAt(uri: string): AllowedHost {
  return UNLIMITED.hosts.named(uri, 'URI');
}
