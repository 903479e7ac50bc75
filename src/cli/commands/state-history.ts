/** `caplv state history` and `caplv state restore`: earlier serials of the Terraform state of a machine or host. */

import type { StateHandle } from '../../actuator/context/state-home.ts';
import type { Restored } from '../../actuator/state/restore.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Config } from '../../app/config.ts';
import type { Engine } from '../../app/engine.ts';
import { CaplvError, TerminalError } from '../../errors.ts';
import { redactUri } from '../../libvirt/host-uri.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { formatDuration } from '../../system/duration.ts';
import { EXIT } from '../output/exit-code.ts';
import { planText } from '../output/plan.ts';
import { formatData } from '../output/serialize.ts';
import type { Streams } from '../output/streams.ts';
import { formatTable } from '../output/table.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { withEngine } from '../session/engine-session.ts';
import { machineKey, machineNotFound, machineSubject } from '../session/machine-name.ts';
import { withSession } from '../session/session.ts';
import { findHome, isHost } from '../session/state-subject.ts';

export interface HistoryFlags extends ClusterFlags {
  readonly output?: 'json' | 'yaml';
}

export async function stateHistory(name: string, flags: HistoryFlags): Promise<number> {
  return withSession(flags, async ({ workspaces, config, terminal }) => {
    const kept = await (await findHome(workspaces, name, config)).history.list();
    if (flags.output) {
      const data = kept.map(({ serial, lineage, resources, keptAt }) => ({
        serial,
        lineage,
        resources,
        keptAt,
      }));
      terminal.out(formatData(JSON.parse(JSON.stringify(data)), flags.output));
    } else if (kept.length === 0) {
      const whose = isHost(name)
        ? `host ${redactUri(name)}`
        : `${machineSubject(machineKey(config.namespace, name))} in namespace "${config.namespace}"`;
      terminal.say(`No state of ${whose} is kept.`);
    } else {
      const rows = kept.map(({ serial, lineage, resources, keptAt }) => [
        String(serial),
        formatDuration(Date.now() - keptAt.getTime()),
        String(resources),
        lineage,
      ]);
      terminal.out(formatTable(['SERIAL', 'AGE', 'RESOURCES', 'LINEAGE'], rows));
    }
    return EXIT.ok;
  });
}

interface Tools {
  readonly engine: Engine;
  readonly terminal: Streams;
}

export async function restoreState(name: string, serial: string, flags: ClusterFlags): Promise<number> {
  const number = serialOf(serial);
  const work = ({ config: { namespace, policy }, ...tools }: Tools & { readonly config: Config }) =>
    isHost(name)
      ? restoreHost(tools, policy.hosts.named(name, 'MACHINE|URI'), number)
      : restoreMachine(tools, machineKey(namespace, name), number);
  return withEngine(flags, work);
}

async function restoreMachine({ engine, terminal }: Tools, key: ObjectKey, serial: number): Promise<number> {
  const machine = await engine.store.get(MachineKind, key);
  if (!machine) throw machineNotFound(key);
  const placed = await engine.resolver.place(machine);
  const restored = await engine.actuator.restoreState({ ...placed.identity, uri: placed.site.uri }, serial);
  tell(terminal, machineSubject(key), serial, restored, engine.workspaces.machine(key));
  try {
    const { intent } = await engine.resolver.resolve(placed, await engine.resolver.seed(placed));
    terminal.out(
      planText({ subject: machineSubject(key), ...(await engine.actuator.plan(intent)) }, terminal.style),
    );
  } catch (error) {
    if (!(error instanceof CaplvError)) throw error;
    terminal.say(`The plan could not be made: ${error.message}`);
  }
  return EXIT.ok;
}

async function restoreHost({ engine, terminal }: Tools, uri: AllowedHost, serial: number): Promise<number> {
  const restored = await engine.hostActuator.restoreState(uri, serial);
  tell(terminal, `host ${redactUri(uri)}`, serial, restored, await engine.workspaces.host(uri));
  terminal.say('The next change of a Machine or Cluster of that host applies its specification again.');
  return EXIT.ok;
}

function tell(
  terminal: Streams,
  whose: string,
  serial: number,
  { wasCorrupt, serial: now }: Restored,
  { place }: StateHandle,
): void {
  if (wasCorrupt) terminal.say(`The state that could not be read is kept beside ${place}, as ….corrupt`);
  terminal.out(`${whose}: serial ${serial} restored, as serial ${now}`);
}

function serialOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: 'SERIAL',
    message: `"${text}" is no serial`,
    fix: 'a number that caplv state history NAME lists',
  });
}
