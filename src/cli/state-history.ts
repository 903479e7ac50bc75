/** `caplv state history` and `caplv state restore`: earlier serials of a machine's Terraform state. */

import type { Workspaces } from '../actuator/workspaces.ts';
import { MachineKind } from '../api/machine.ts';
import { formatDuration } from '../duration.ts';
import type { Engine } from '../engine.ts';
import { CaplvError, Terminal as TerminalError } from '../errors.ts';
import type { ObjectKey } from '../store/store.ts';
import { type ClusterFlags, isForCluster, withCluster } from './cluster-command.ts';
import { withClusterEngine } from './cluster-engine.ts';
import { withContext } from './command.ts';
import { formatData } from './data.ts';
import { EXIT } from './exit-code.ts';
import { notFound } from './get.ts';
import { planText } from './plan-text.ts';
import { formatTable } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface HistoryFlags extends ClusterFlags {
  readonly output?: 'json' | 'yaml';
}

export async function stateHistory(name: string, flags: HistoryFlags): Promise<number> {
  const show = async (workspaces: Workspaces, namespace: string, terminal: Terminal) => {
    const kept = await workspaces.machine({ namespace, name }).history.list();
    if (flags.output) {
      const data = kept.map(({ serial, lineage, resources, keptAt }) => ({
        serial,
        lineage,
        resources,
        keptAt,
      }));
      terminal.out(formatData(JSON.parse(JSON.stringify(data)), flags.output));
    } else if (kept.length === 0) {
      terminal.say(`No state of machine "${name}" in namespace "${namespace}" is kept.`);
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
  };
  if (isForCluster(flags)) {
    return withCluster(flags, ({ cluster, config, terminal }) =>
      show(cluster.workspaces, config.namespace, terminal),
    );
  }
  return withContext(flags, ({ engine, config, terminal }) =>
    show(engine.workspaces, config.namespace, terminal),
  );
}

export async function restoreState(name: string, serial: string, flags: ClusterFlags): Promise<number> {
  const number = serialOf(serial);
  const work = ({
    engine,
    config,
    terminal,
  }: Parameters<typeof restore>[0] & { config: { namespace: string } }) =>
    restore({ engine, terminal }, { namespace: config.namespace, name }, number);
  return isForCluster(flags) ? withClusterEngine(flags, work) : withContext(flags, work);
}

async function restore(
  { engine, terminal }: { readonly engine: Engine; readonly terminal: Terminal },
  key: ObjectKey,
  serial: number,
): Promise<number> {
  const machine = await engine.store.get(MachineKind, key);
  if (!machine) throw notFound(MachineKind, key.name, key.namespace);
  const placed = await engine.resolver.place(machine);
  const restored = await engine.actuator.restoreState({ ...placed.identity, uri: placed.site.uri }, serial);
  if (restored.wasCorrupt) {
    const { place } = engine.workspaces.machine(key);
    terminal.say(`The state that could not be read is kept beside ${place}, as ….corrupt`);
  }
  terminal.out(`machine/${key.name}: serial ${serial} restored, as serial ${restored.serial}`);
  try {
    const { intent } = await engine.resolver.resolve(placed, await engine.resolver.seed(placed));
    terminal.out(planText({ machine: key.name, ...(await engine.actuator.plan(intent)) }, terminal.style));
  } catch (error) {
    if (!(error instanceof CaplvError)) throw error;
    terminal.say(`What a plan says could not be found out: ${error.message}`);
  }
  return EXIT.ok;
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
