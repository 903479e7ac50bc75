/**
 * The one table that says what a failure of Terraform or libvirt means: a code, whether it may pass by itself, and the fix.
 * Texts are those of libvirt 9–11, Terraform 1.11 and the provider 0.8.3; the first row that matches decides.
 */

import { CaplvError, type ErrorCode, outOfResources, TerminalError, TransientError } from '../../errors.ts';
import { LibvirtError, type LibvirtErrorCode } from '../../libvirt/libvirt-error.ts';
import { STATE_MISMATCH, TerraformError } from '../../terraform/run/terraform-error.ts';

interface Failure {
  readonly matches: RegExp;
  readonly code: ErrorCode;
  /** Milliseconds after which a new try makes sense; absent: a person is needed. */
  readonly retryAfterMs?: number;
  readonly fix: string;
}

const FAILURES: readonly Failure[] = [
  {
    matches: /permission denied.*(libvirt-sock|socket)|authentication (failed|unavailable)|polkit/i,
    code: 'LibvirtPermissionDenied',
    fix: 'let this user use libvirt (sudo usermod -aG libvirt $USER, then log in again), or name another --libvirt-uri',
  },
  {
    // Before those of libvirt, which has the same words for its own connections.
    matches: /\b(get|post|put|patch|delete) "https?:\/\/[^"]*\/apis?\/[^"]*": /i,
    code: 'TerraformError',
    retryAfterMs: 5_000,
    fix: 'see whether the API server, in which the states are, answers: kubectl get --raw /readyz',
  },
  {
    matches: /\b(get|head) "https?:\/\/[^"]*": /i,
    code: 'ImageNotFound',
    retryAfterMs: 15_000,
    fix: 'see whether the server of the image answers: curl -I URL',
  },
  {
    matches:
      /failed to connect|cannot connect|unable to connect|connection (refused|reset)|end of file while reading|broken pipe|client socket is closed|no connection driver|host key verification|could not resolve|failed to dial|keepalive|no route to host|timed? ?out.*connect/i,
    code: 'LibvirtUnreachable',
    retryAfterMs: 10_000,
    fix: 'check the URI and that libvirtd runs there: caplv doctor --libvirt-uri URI',
  },
  {
    matches: /storage pool .*not found|no storage pool with matching name|can't find storage pool/i,
    code: 'PoolNotFound',
    fix: 'name an existing, active pool (virsh pool-list --all), or let the Cluster manage one',
  },
  {
    matches:
      /network not found|no network with matching name|can't retrieve network|network '.*' is not active/i,
    code: 'NetworkNotFound',
    fix: 'name an existing, active network (virsh net-list --all), or let the Cluster manage one',
  },
  {
    matches: STATE_MISMATCH,
    code: 'StateMismatch',
    fix: 'compare them: caplv state history NAME, caplv state pull NAME; caplv never overwrites a state with one of another machine or an older one',
  },
  {
    matches: /asynchronous jobs running|is locked by|resource busy|database is locked/i,
    code: 'LibvirtError',
    retryAfterMs: 2_000,
    fix: 'nothing to do: other work on the same pool is under way',
  },
  {
    matches: /network is already in use by interface/i,
    code: 'LibvirtError',
    retryAfterMs: 30_000,
    fix: 'give the network other addresses, or another bridge: an interface of the host has these',
  },
  {
    matches: /domain .*already exists|already in use by/i,
    code: 'LibvirtError',
    retryAfterMs: 1_000,
    fix: 'nothing to do: the next attempt removes what an interrupted run left',
  },
  {
    matches: /cannot find machine type/i,
    code: 'InvalidConfiguration',
    fix: 'name a machine type that the host has, for example q35: virsh capabilities',
  },
  {
    matches: /cannot get interface mtu on|unable to get index for interface|cannot find network device/i,
    code: 'LibvirtError',
    retryAfterMs: 60_000,
    fix: 'create the bridge or device on the host (virsh iface-list --all), or use another one',
  },
  {
    matches: /cannot allocate memory|cannot set up guest memory/i,
    code: 'InsufficientCapacity',
    retryAfterMs: 60_000,
    fix: 'free memory on the host, or ask for less with memoryMiB',
  },
  {
    matches: /(plan file|state|\.terraform|lock file)\b.*no space left on device/i,
    code: 'OutOfResources',
    retryAfterMs: 5_000,
    fix: 'free space on the machine that caplv runs on: in its state directory and the temporary one',
  },
  {
    matches: /no space left on device/i,
    code: 'InsufficientCapacity',
    retryAfterMs: 60_000,
    fix: 'free space in the storage pool',
  },
  {
    matches: /(apparmor|permission denied)/i,
    code: 'LibvirtError',
    fix: 'QEMU may not open the volume: allow the pool directory in AppArmor or SELinux, or use a pool under /var/lib/libvirt/images',
  },
  {
    matches:
      /invalid argument: could not find capabilities|does not support (kvm|domain type)|kvm.*not (available|supported)/i,
    code: 'InvalidConfiguration',
    fix: 'set domainType: qemu (or auto), or enable virtualisation on the host',
  },
  {
    matches:
      /unable to find any master var store|unexpectedly closed the monitor|exited while connecting to monitor/i,
    code: 'LibvirtError',
    retryAfterMs: 15_000,
    fix: 'QEMU of the host ends at the start of this guest: correct what the message names (firmware, nvramTemplate, machineType, a disk)',
  },
  {
    matches:
      /a signal ended it|plugin did not respond|error reading from server|transport is closing|code = unavailable/i,
    code: 'TerraformError',
    retryAfterMs: 1_000,
    fix: 'nothing to do: terraform or its provider was killed, and the next run continues; if it happens again, give caplv more memory: 60 MiB for each run (dmesg tells whether it was short)',
  },
  {
    matches: /failed to (query|install) .*provider|could not find .*provider|reattachment process not found/i,
    code: 'ProviderNotFound',
    retryAfterMs: 5_000,
    fix: 'see what is missing with: caplv doctor',
  },
];

/** Runs `work`; what it throws leaves as `TransientError` or `TerminalError`. Programming errors pass as they are. */
export async function classified<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw classify(error);
  }
}

/** What libvirt said is known already: `LibvirtError` carries its own fix. */
function classifyLibvirt(error: LibvirtError, code: Exclude<LibvirtErrorCode, 'other'>): CaplvError {
  const details = {
    message: error.message,
    cause: error,
    ...(error.fix === undefined ? {} : { fix: error.fix }),
  };
  switch (code) {
    case 'unreachable':
    case 'timeout':
      return new TransientError({ ...details, code: 'LibvirtUnreachable', retryAfterMs: 10_000 });
    case 'permission':
      return new TerminalError({ ...details, code: 'LibvirtPermissionDenied' });
    case 'invalidUri':
    case 'virshMissing':
      return new TerminalError({ ...details, code: 'LibvirtUnreachable' });
    case 'notFound':
      return new TransientError({ ...details, code: 'LibvirtError', retryAfterMs: 1_000 });
  }
}

/** What a failure of Terraform or libvirt means: `TransientError` or `TerminalError`. Other errors are returned as they are. */
export function classify(error: unknown): unknown {
  if (error instanceof CaplvError) return error;
  const exhausted = outOfResources(error);
  if (exhausted || !(error instanceof TerraformError || error instanceof LibvirtError))
    return exhausted ?? error;
  if (error instanceof LibvirtError && error.code !== 'other') return classifyLibvirt(error, error.code);
  const known = FAILURES.find((failure) => failure.matches.test(error.message));
  if (known) {
    const details = { code: known.code, message: error.message, fix: known.fix, cause: error };
    if (known.retryAfterMs === undefined) return new TerminalError(details);
    return new TransientError({ ...details, retryAfterMs: known.retryAfterMs });
  }
  // Unknown: tried again, slowly, since most of what libvirt and Terraform cannot do now they can do later.
  return new TransientError({
    code: error instanceof TerraformError ? 'TerraformError' : 'LibvirtError',
    message: error.message,
    fix: 'read the message; if the error persists, check the installation with caplv doctor',
    cause: error,
    retryAfterMs: 15_000,
  });
}
