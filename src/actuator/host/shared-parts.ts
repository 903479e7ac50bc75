/**
 * Networks and pools that Clusters manage on a host: one stack and one state, under the host's lock, in which nothing is ever
 * transferred. A run has the parts that the caller asks for; those of others stay as they are (`asIs`), or out of it.
 */

import { emptyStack } from '../../../stacks/empty-stack.ts';
import { objectsOfHost } from '../../../stacks/import-stack.ts';
import type { HostIntent } from '../../intent/hosted-intent.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import { StateCorruptError } from '../../terraform/format/state.ts';
import { TerraformError } from '../../terraform/run/terraform-error.ts';
import type { ActuatorOptions, VerbOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import { type StateSession, withState } from '../context/state-session.ts';
import { ReplaceRefused, refuseReplacement } from '../plan/replace-guard.ts';
import { reportOf } from '../plan/report.ts';
import { forgetGoneParts } from '../state/handed-over.ts';
import {
  APPLIED,
  includes,
  isUnused,
  keepMaking,
  pendingCreates,
  recordPendingCreates,
} from '../state/host-journal.ts';
import { withStateAtRisk } from '../state/machine-journal.ts';
import { moveImages } from '../state/move-images.ts';
import { completeHostState, knowsAll, restoreHostState, standingObjects } from '../state/recover-host.ts';
import { isTorn, setTornAside } from '../state/torn-state.ts';
import {
  addressesOf,
  appliedAfter,
  both,
  hashesOf,
  isActive,
  isNoPart,
  type PartsAsk,
  partsOf,
  partsOfRun,
  readApplied,
  replacementId,
} from './host-parts.ts';

export interface PartsOptions extends VerbOptions {
  /** Let a plan replace a network or pool that machines may be using. Default: refused. */
  readonly allowReplace?: boolean;
  /** Id of a replacement (see `replacementId`) that may run. */
  readonly approvedPlan?: string | undefined;
  /** Called under the lock with the networks and pools that are made or changed next. What it throws stops the call. */
  readonly admit?: (made: HostIntent) => Promise<void>;
}

/** What a run under the lock of the host is for. */
interface Work {
  readonly evaluate: () => Promise<HostIntent>;
  readonly ask: PartsAsk;
  readonly options: PartsOptions;
}

export class SharedParts {
  readonly #options: ActuatorOptions;

  constructor(options: ActuatorOptions) {
    this.#options = options;
  }

  /**
   * Brings what is asked for to the host, and nothing else. `evaluate`: all that anybody wants there now; `facts`: how the host
   * looks, if that matters. Costs no run where nothing is asked for, or it was done before and is still there, on the host and in the
   * state. Returns whether there was a run. Throws ReplaceRefused, with the report of its plan, Terminal NotOwned for a part that is
   * there and not provably ours, what terraform says of the parts that were asked for, and where a run is needed what keeps
   * the intent from being complete.
   */
  async ensure(
    uri: AllowedHost,
    evaluate: () => Promise<HostIntent>,
    ask: PartsAsk,
    facts: () => Promise<HostFacts>,
    options: PartsOptions,
  ): Promise<boolean> {
    // First: it tells how the host is written elsewhere, and its state may lie under that.
    const wanted = await evaluate();
    const home = await this.#options.workspaces.host(uri);
    if (!(await isTorn(home)) && (await this.#isSettled(wanted, ask, facts, home))) return false;
    const request = { operation: 'host', onEvent: options.onEvent };
    await withState(this.#options, uri, home, request, async (session) => {
      try {
        await this.#bring(session, { evaluate, ask, options });
      } catch (error) {
        if (await isUnused(this.#options, home).catch(() => false)) await home.discard();
        throw error;
      }
    });
    return true;
  }

  async #bring(session: StateSession, work: Work): Promise<void> {
    const { uri, home, terraform } = session;
    const { libvirt } = this.#options;
    const { ask } = work;
    const evaluate = async () => complete(await work.evaluate());
    const before = await work.evaluate();
    await setTornAside(session);
    // Somebody else may have done it while we waited.
    if (await this.#isSettled(before, ask, () => libvirt(uri).facts(), home)) return;
    complete(before);
    const others = await this.#putInDoubt(before, ask, home);
    await session.saveErroredState();
    // Before the intent, to which it matters what was made here.
    await restoreHostState(this.#options, session);
    await moveImages(this.#options, session);
    const wanted = { ...(await evaluate()), images: [] };
    await forgetGoneParts(session, wanted);
    const asked = objectsOfHost(partsOf(wanted, both(ask.apply, ask.need)));
    const begun = await pendingCreates(home);
    const isOthers = (one: (typeof begun)[number]) =>
      includes(objectsOfHost(wanted), one) && !includes(asked, one);
    const mine = begun.filter((one) => !isOthers(one));
    await completeHostState(this.#options, session, partsOf(wanted, both(ask.apply, ask.need)), mine);
    const state = await terraform.state();
    const parts = partsOfRun(wanted, ask, await standingObjects(libvirt(uri), state, wanted));
    if (!isNoPart(parts.made)) await work.options.admit?.(parts.made);
    const hasState = (state?.resources.length ?? 0) > 0;
    const failure = await this.#apply(session, work.options, wanted, parts, begun, hasState);
    const failed = failure?.addresses ?? new Set<string>();
    const left = await terraform.state();
    const isOver = isNoPart(parts.config) && !left?.resources.length && !begun.some(isOthers);
    if (isOver) await home.discard();
    else {
      await home.notes.write(APPLIED, JSON.stringify(appliedAfter(others, parts, failed)));
      const known = objectsOfHost(parts.config).filter(({ type, name }) => !failed.has(`${type}.${name}`));
      await keepMaking(home, (one) => isOthers(one) || (failure !== undefined && !includes(known, one)));
    }
    if (!failure) return;
    const isAsked = [...addressesOf(parts.made)].some((address) => failed.has(address));
    const released = objectsOfHost(asIntent(uri, ask)).filter((one) => !includes(objectsOfHost(wanted), one));
    const isLeft = released.some((one) => includes(left?.resources ?? [], one));
    if (isAsked || isLeft) throw failure.error;
  }

  /** Until the run has succeeded: whoever pins a part from here on waits for the lock. Returns what is said of those of others. */
  async #putInDoubt(wanted: HostIntent, ask: PartsAsk, home: StateHandle) {
    const applied = readApplied(await home.notes.read(APPLIED));
    const asked = hashesOf(partsOf(wanted, both(ask.apply, ask.need)));
    const isOthers = (address: string) => address in hashesOf(wanted) && !(address in asked);
    const others = Object.fromEntries(Object.entries(applied).filter(([address]) => isOthers(address)));
    if (Object.keys(others).length > 0) await home.notes.write(APPLIED, JSON.stringify(others));
    else await home.notes.remove(APPLIED);
    return others;
  }

  /** Returns what failed, by its addresses, if terraform says so of each error; other errors are thrown. */
  async #apply(
    session: StateSession,
    options: PartsOptions,
    wanted: HostIntent,
    { config }: { readonly config: HostIntent },
    begun: Parameters<typeof recordPendingCreates>[3],
    hasState: boolean,
  ): Promise<{ readonly error: TerraformError; readonly addresses: ReadonlySet<string> } | undefined> {
    const { uri, home, terraform } = session;
    if (isNoPart(config) && !hasState) return undefined;
    // The last machine of a host is often deleted by a command that needs cdktf for nothing else.
    const stack = isNoPart(config)
      ? emptyStack(uri, home.backend)
      : await this.#options.synthesizer.host(config, home.backend);
    const plan = await terraform.plan(stack, { save: true });
    if (plan.action === 'none') return undefined;
    await this.#guard(session, options, wanted, plan);
    await recordPendingCreates(home, config, plan, begun);
    try {
      await withStateAtRisk(home, 'update', () => terraform.apply(stack, { plan }));
      return undefined;
    } catch (error) {
      const addresses =
        error instanceof TerraformError ? error.diagnostics.map(({ address }) => address) : [];
      const known = addresses.filter((address) => address !== undefined);
      if (!(error instanceof TerraformError) || known.length === 0 || known.length < addresses.length)
        throw error;
      return { error, addresses: new Set(known) };
    }
  }

  async #guard(
    { terraform }: StateSession,
    options: PartsOptions,
    wanted: HostIntent,
    plan: Plan,
  ): Promise<void> {
    const replacing = replacementsOnly(plan);
    const id = replacementId(
      wanted,
      replacing.changes.map(({ address }) => address),
    );
    if (options.allowReplace || options.approvedPlan === id) return;
    try {
      await refuseReplacement(replacing, () => terraform.explain(plan));
    } catch (error) {
      if (!(error instanceof ReplaceRefused)) throw error;
      throw new ReplaceRefused(error.preview, error.message, { report: reportOf(id, error.preview) });
    }
  }

  /** What is asked for was done before, and is there, on the host and in the state; nothing is there that nobody wants. */
  async #isSettled(
    wanted: HostIntent,
    { tidy, ...ask }: PartsAsk,
    facts: () => Promise<HostFacts>,
    home: StateHandle,
  ): Promise<boolean> {
    // What nobody seems to want may be wanted by what cannot be read; only who is to remove something waits for it.
    const mayTidy = tidy && (wanted.incomplete === undefined || !isNoPart(ask.release));
    return this.#isSettledFor(wanted, { ...ask, tidy: mayTidy }, facts, home);
  }

  async #isSettledFor(
    wanted: HostIntent,
    ask: PartsAsk,
    facts: () => Promise<HostFacts>,
    home: StateHandle,
  ): Promise<boolean> {
    const asked = partsOf(wanted, both(ask.apply, ask.need));
    if (isNoPart(asked)) return !ask.tidy || !(await this.#hasUnwanted(wanted, ask, home));
    if (!isActive(asked, await facts())) return false;
    const applied = readApplied(await home.notes.read(APPLIED));
    const isApplied = Object.entries(hashesOf(partsOf(wanted, ask.apply))).every(
      ([address, hash]) => applied[address] === hash,
    );
    const isKnown = Object.keys(hashesOf(asked)).every((address) => applied[address] !== undefined);
    if (!isApplied || !isKnown) return false;
    if (!(await knowsAll(this.#options.terraform, home, asked))) return false;
    return !ask.tidy || !(await this.#hasUnwanted(wanted, ask, home));
  }

  async #hasUnwanted(wanted: HostIntent, ask: PartsAsk, home: StateHandle): Promise<boolean> {
    const isWanted = (one: { readonly type: string; readonly name: string }) =>
      includes(objectsOfHost({ ...wanted, images: [] }), one);
    if ((await pendingCreates(home)).some((one) => !isWanted(one))) return true;
    const state = await this.#options.terraform.state(home.workspace).catch((error: unknown) => {
      // It waits for a person, and is nothing to those who manage nothing here.
      if (error instanceof StateCorruptError && isNoPart(ask.apply) && isNoPart(ask.release))
        return 'corrupt' as const;
      throw error;
    });
    if (state === 'corrupt') return false;
    const parts = state?.resources.filter(
      ({ type }) => type === 'libvirt_network' || type === 'libvirt_pool',
    );
    if (parts?.length) return parts.some((one) => !isWanted(one));
    // A state that is lost has left its history.
    const [last] = await home.history.list();
    return isNoPart(wanted) && (last?.resources ?? 0) > 0;
  }
}

/** Throws what keeps the rest of an intent from being known: a run removes what it does not name. */
function complete(intent: HostIntent): HostIntent {
  if (intent.incomplete) throw intent.incomplete;
  return intent;
}

/** Parts of which only the names are known. */
function asIntent(uri: AllowedHost, { release }: PartsAsk): HostIntent {
  const pools = release.pools.map((name) => ({ name, path: '' }));
  const networks = release.networks.map(
    (name) => ({ name, mode: 'none', addresses: [], dhcp: false, autostart: false }) as const,
  );
  return { uri, networks, pools, images: [] };
}

/**
 * Deleting is what the intent asks for when nobody uses a thing any more; replacing takes it from those who do. What a broken
 * run half made is used by nobody.
 */
function replacementsOnly(plan: Plan): Plan {
  const { changes } = plan;
  return { ...plan, changes: changes.filter((one) => one.action === 'replace' && one.reason !== 'tainted') };
}
