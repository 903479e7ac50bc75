/** Settings of one call: flags win over CAPLV_* variables, which win over defaults. */

import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { TerminalError } from '../errors.ts';
import { CLUSTER_DEFAULT, CLUSTER_MAX_IMAGE_GB, EVERYTHING, Policy } from '../intent/policy.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import type { RunLimits } from '../terraform/concurrency.ts';
import { KEPT_SERIALS } from '../terraform/kept-serials.ts';
import { defaultStateDir, type GlobalFlags, type OutputSettings, outputSettings } from './global-flags.ts';

export interface Config extends OutputSettings {
  /** The host for manifests that name none. */
  readonly libvirtUri: AllowedHost;
  /** Absolute path; holds objects, Terraform states and locks. */
  readonly stateDir: string;
  readonly namespace: string;
  /** Of a cluster: the only namespaces whose objects are read; undefined: all. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly providerMode: 'warm' | 'fork';
  /** Explicit path of terraform or tofu. */
  readonly terraform: string | undefined;
  /** How many serials of each state are kept. */
  readonly keptSerials: number;
  readonly limits: RunLimits;
  /** What manifests may name. */
  readonly policy: Policy;
}

/** More only wait for each other: on two cores 24 machines were made fastest by 3 at once. */
const DEFAULT_RUNS = availableParallelism() + 1;

/** `manifests`: whose they are. One's own may name everything, a cluster's what its operator allows. */
export function configOf(flags: GlobalFlags, manifests: 'own' | 'cluster' = 'own'): Config {
  const policy = policyOf(flags, manifests);
  return {
    libvirtUri: policy.defaultHost,
    stateDir: resolve(flags.stateDir ?? defaultStateDir()),
    namespace: flags.namespace ?? 'default',
    watchNamespaces: namespacesOf(flags.watchNamespaces),
    providerMode: flags.providerMode ?? 'warm',
    terraform: flags.terraform,
    keptSerials: countOf('--state-history', flags.stateHistory, 0) ?? KEPT_SERIALS,
    limits: limitsOf(flags),
    policy,
    ...outputSettings(flags),
  };
}

function limitsOf({ terraformRuns, terraformRunsPerHost }: GlobalFlags): RunLimits {
  const total = countOf('--terraform-runs', terraformRuns) ?? DEFAULT_RUNS;
  return { total, perKey: countOf('--terraform-runs-per-host', terraformRunsPerHost) ?? total };
}

/** Names divided by commas; none is no list. Throws TerminalError InvalidConfiguration. */
function namespacesOf(text = ''): readonly string[] | undefined {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter(Boolean);
  for (const name of names) {
    if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) continue;
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: '--watch-namespaces',
      message: `invalid namespace "${name}"`,
      fix: 'names divided by commas, for example team-a,team-b; or leave it out, for all namespaces',
    });
  }
  return names.length > 0 ? names : undefined;
}

/** A whole number from `least` to 999. Throws TerminalError InvalidConfiguration with the flag as path. */
export function countOf(flag: string, text: string | undefined, least = 1): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (/^\d{1,3}$/.test(text) && count >= least) return count;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: flag,
    message: `invalid value "${text}"`,
    fix: `a number from ${least} to 999`,
  });
}

function policyOf({ allow, maxImageGb, libvirtUri }: GlobalFlags, manifests: 'own' | 'cluster'): Policy {
  const isOwn = manifests === 'own';
  const maxImageGB = countOf('--max-image-gb', maxImageGb) ?? (isOwn ? undefined : CLUSTER_MAX_IMAGE_GB);
  return new Policy({ allow: allow ?? (isOwn ? EVERYTHING : CLUSTER_DEFAULT), maxImageGB, libvirtUri });
}
