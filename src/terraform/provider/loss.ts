/** Tells whether a run failed since its provider was lost. */

import type { RunOutcome } from '../run/process.ts';
import type { ProviderProcess } from './process.ts';

/** The process was gone: go-plugin's words, and gRPC's. */
const PROCESS_GONE =
  /Reattachment process not found|Plugin did not respond|error reading from server|transport is closing|code = Unavailable/i;

/**
 * What provider 0.8.3 says when libvirtd was restarted under it. It never reconnects. Each call then fails with EINVAL
 * ("invalid argument", go-libvirt's socket.go), and some messages leave that out and claim that the pool or the network is
 * not there; measured, see test/terraform/libvirtd-restart.real.test.ts.
 */
const CONNECTION_GONE =
  /invalid argument|\bEOF\b|broken pipe|connection reset|use of closed network connection|procedure interrupted|can't find storage pool|can't retrieve (pool|network)|error retrieving pool/i;

/**
 * Why a run that failed may succeed with a new provider process; `undefined`: it would not.
 * @param wasConnected the provider was connected to libvirt before this run began
 */
export function lostProvider(
  host: ProviderProcess,
  wasConnected: boolean,
  outcome: RunOutcome,
): string | undefined {
  const errors = outcome.messages
    .filter((message) => message.type === 'diagnostic')
    .map(({ diagnostic }) => `${diagnostic.summary} ${diagnostic.detail}`);
  if (!host.alive || errors.some((error) => PROCESS_GONE.test(error)))
    return 'the provider process had ended';
  if (wasConnected && errors.some((error) => CONNECTION_GONE.test(error))) {
    return 'the provider may have lost its connection to libvirt';
  }
  return undefined;
}
