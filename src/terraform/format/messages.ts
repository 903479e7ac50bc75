/**
 * What `terraform -json` prints, line by line, as far as we use it.
 * https://developer.hashicorp.com/terraform/internals/machine-readable-ui (OpenTofu prints the same)
 */

import type { ChangeAction, ResourceChange } from './resource-change.ts';

export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly summary: string;
  readonly detail: string;
  /** Resource at fault, for example `libvirt_domain.domain`. */
  readonly address?: string;
  /** Place in the configuration, for example `resource.libvirt_domain.domain`. */
  readonly path?: string;
}

/** Outputs as printed: a sensitive one has no value. */
export interface PrintedOutput {
  readonly sensitive: boolean;
  readonly value?: unknown;
  readonly action?: ChangeAction;
}

interface Stamped {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export type Message = Stamped &
  (
    | { readonly type: 'planned_change' | 'resource_drift'; readonly change: ResourceChange }
    | { readonly type: 'change_summary'; readonly operation: 'plan' | 'apply' | 'destroy' }
    | { readonly type: 'refresh_start' | 'refresh_complete'; readonly address: string }
    | { readonly type: 'apply_start' | 'apply_errored'; readonly change: ResourceChange }
    | { readonly type: 'apply_progress'; readonly change: ResourceChange; readonly elapsedSeconds: number }
    | { readonly type: 'apply_complete'; readonly change: ResourceChange; readonly id?: string }
    | { readonly type: 'outputs'; readonly outputs: Readonly<Record<string, PrintedOutput>> }
    | { readonly type: 'diagnostic'; readonly diagnostic: Diagnostic }
    | { readonly type: 'state_lock_acquire' }
  );

/** One line of output. `undefined`: not a message, or one that says nothing to us. */
export function parseMessage(line: string): Message | undefined {
  const raw = parseObject(line);
  if (raw === undefined) return undefined;
  const at = Date.parse(String(raw['@timestamp']));
  const hook = raw.hook;
  switch (raw.type) {
    case 'planned_change':
    case 'resource_drift':
      return { type: raw.type, at, change: resourceChange(raw.change) };
    case 'change_summary':
      return { type: raw.type, at, operation: raw.changes.operation };
    case 'refresh_start':
    case 'refresh_complete':
      return { type: raw.type, at, address: hook.resource.addr };
    case 'apply_start':
    case 'apply_errored':
      return { type: raw.type, at, change: resourceChange(hook) };
    case 'apply_progress':
      return { type: raw.type, at, change: resourceChange(hook), elapsedSeconds: hook.elapsed_seconds };
    case 'apply_complete':
      return {
        type: raw.type,
        at,
        change: resourceChange(hook),
        ...(hook.id_value && { id: hook.id_value }),
      };
    case 'outputs':
      return { type: raw.type, at, outputs: raw.outputs };
    case 'diagnostic':
      return { type: raw.type, at, diagnostic: diagnostic(raw.diagnostic) };
    case 'state_lock_acquire':
      return { type: raw.type, at };
    default:
      return undefined;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is Terraform's, which promises it for all 1.x versions
function parseObject(line: string): any {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

interface RawChange {
  readonly resource: {
    readonly addr: string;
    readonly resource_type: string;
    readonly resource_name: string;
  };
  readonly action: ChangeAction;
  readonly reason?: string;
}

function resourceChange(raw: RawChange): ResourceChange {
  const { addr, resource_type, resource_name } = raw.resource;
  return {
    address: addr,
    type: resource_type,
    name: resource_name,
    action: raw.action,
    ...(raw.reason !== undefined && { reason: raw.reason }),
  };
}

interface RawDiagnostic {
  readonly severity: 'error' | 'warning';
  readonly summary: string;
  readonly detail: string;
  readonly address?: string;
  readonly snippet?: { readonly context: string | null };
}

/** Leaves out the snippet's code: it is a piece of the configuration, and that holds user data. */
function diagnostic(raw: RawDiagnostic): Diagnostic {
  return {
    severity: raw.severity,
    summary: raw.summary,
    detail: raw.detail,
    ...(raw.address !== undefined && { address: raw.address }),
    ...(raw.snippet?.context && { path: raw.snippet.context }),
  };
}
