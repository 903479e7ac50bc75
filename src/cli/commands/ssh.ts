/** `caplv ssh`: a shell or a command in a guest, through the ssh of this machine. */

import { rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Cluster, ClusterKind, storedClusterSpec } from '../../api/kinds/cluster.ts';
import { type Machine, MachineKind, settledCluster, storedMachineSpec } from '../../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../../api/kinds/machine-provider-spec.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { outputSettings } from '../../app/global-flags.ts';
import { TerminalError } from '../../errors.ts';
import { instanceIdOf } from '../../intent/instance-id.ts';
import { objectName, shortHash } from '../../intent/names.ts';
import { requireAllowedHost } from '../../intent/policy-check.ts';
import { quoteCommand } from '../../libvirt/virsh-command.ts';
import { makePrivateDir } from '../../system/private-files.ts';
import { EXIT } from '../output/exit-code.ts';
import { openTerminal } from '../output/streams.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { machineKey, machineNotFound, machineSubject } from '../session/machine-name.ts';
import { type Session, withSession } from '../session/session.ts';
import { type SshTarget, sshArguments, sshHostOf } from './ssh-arguments.ts';

export interface SshFlags extends ClusterFlags {
  readonly user?: string;
  readonly identity?: string;
  /** `[USER@]HOST[:PORT]`, or `none`. */
  readonly jump?: string;
  readonly tty?: boolean;
  /** Forget the host key that is known of the guest. */
  readonly newHostKey?: boolean;
  /** Print the command in place of running it. */
  readonly print?: boolean;
}

/** What ssh itself ends with when it cannot connect or log in. */
const SSH_FAILED = 255;

/** Returns the exit code of ssh, which is that of the command in the guest. */
export async function openShell(name: string, command: readonly string[], flags: SshFlags): Promise<number> {
  let target: SshTarget | undefined;
  await withSession(flags, async (session) => {
    target = await sshTarget(session, name, command, flags);
    return EXIT.ok;
  });
  // After the session: a shell may stay open for days, and holds nothing up.
  if (!target) return EXIT.failed;
  const terminal = openTerminal(outputSettings(flags));
  const args = sshArguments(target);
  if (flags.print) {
    terminal.out(quoteCommand(['ssh', ...args]));
    return EXIT.ok;
  }
  const { exitCode, signal, code } = await execa('ssh', args, { stdio: 'inherit', reject: false });
  if (code === 'ENOENT') throw sshMissing();
  if (exitCode === SSH_FAILED) terminal.say(hint(name, target));
  return exitCode ?? (signal === undefined ? EXIT.failed : 128 + constants.signals[signal as NodeJS.Signals]);
}

async function sshTarget(
  session: Session,
  name: string,
  command: readonly string[],
  flags: SshFlags,
): Promise<SshTarget> {
  const { bothApis: store, config } = session;
  const key = machineKey(config.namespace, name);
  const known = await store.get(MachineKind, key);
  if (known) await session.refresh([known]);
  const machine = known && (await store.get(MachineKind, key));
  if (!machine) throw machineNotFound(key);
  const spec = storedMachineSpec(machine);
  const cluster = await clusterOf(session, machine, key);
  const address = addressOf(machine, key);
  const alias = hostKeyAlias(machine, key);
  const directory = join(config.stateDir, 'known_hosts');
  await makePrivateDir(directory);
  const knownHosts = join(directory, alias);
  if (flags.newHostKey) await rm(knownHosts, { force: true });
  return {
    address,
    user: requireUser(flags.user) ?? spec.sshUser ?? (cluster && storedClusterSpec(cluster).spec.sshUser),
    alias,
    knownHosts,
    jump: jumpOf(session, machine, spec, flags.jump),
    identity: flags.identity,
    tty: flags.tty ?? false,
    command,
  };
}

async function clusterOf(
  { bothApis }: Session,
  machine: Machine,
  { namespace }: ObjectKey,
): Promise<Cluster | undefined> {
  const name = settledCluster(machine)?.name;
  return name === undefined ? undefined : bothApis.get(ClusterKind, { namespace, name });
}

/** The first that is known: of a guest in a network of its host, the lease. */
function addressOf({ status }: Machine, key: ObjectKey): string {
  const found = status?.addresses?.find(({ type, address }) => type === 'InternalIP' && isIP(address) !== 0);
  if (found) return found.address;
  const subject = machineSubject(key);
  throw new TerminalError({
    code: 'NotFound',
    message: `no address of ${subject} is known`,
    fix: `see whether it runs: caplv describe ${subject.replace('/', ' ')}; a guest asks for its address some seconds after its start`,
  });
}

/** Another machine of the same name has another key, and so has one that was created again: each has a name and a file of its own. */
function hostKeyAlias(machine: Machine, key: ObjectKey): string {
  const recreated = machine.status?.providerStatus?.lastRecreated ?? '';
  return `${objectName(key)}.${key.namespace}.${shortHash(`${instanceIdOf(machine)} ${recreated}`)}`;
}

/** A guest whose only interfaces are on bridges or macvtap is in the network of its host, and not behind it. */
function jumpOf(
  { config }: Session,
  machine: Machine,
  { interfaces = [{}] }: LibvirtMachineProviderSpec,
  flag: string | undefined,
): SshTarget['jump'] {
  if (flag === 'none') return undefined;
  if (flag !== undefined) return requireJump(flag);
  const uri = machine.status?.providerStatus?.pinned?.uri;
  const isBehind = interfaces.some(({ bridge, macvtap }) => bridge === undefined && macvtap === undefined);
  const host = uri !== undefined && isBehind ? sshHostOf(uri) : undefined;
  if (uri !== undefined && host) requireAllowedHost(config.policy, uri, 'status.providerStatus.pinned.uri');
  return host;
}

function requireJump(jump: string): string {
  if (/^[A-Za-z0-9_[]/.test(jump)) return jump;
  throw wrongFlag('--jump', '[USER@]HOST[:PORT], or none');
}

function requireUser(user: string | undefined): string | undefined {
  if (user === undefined || /^[A-Za-z0-9_]/.test(user)) return user;
  throw wrongFlag('--user', 'a user name, for example debian');
}

function wrongFlag(flag: string, form: string): TerminalError {
  const message = `the value of ${flag} cannot be used`;
  return new TerminalError({ code: 'InvalidConfiguration', path: flag, message, fix: `use ${form}` });
}

function sshMissing(): TerminalError {
  return new TerminalError({
    code: 'NotFound',
    message: 'the program ssh is not there',
    fix: 'install it: apt-get install openssh-client, or dnf install openssh-clients',
  });
}

/** ssh has said what was wrong; this says where it is set. */
function hint(name: string, { user, jump, address }: SshTarget): string {
  const who = user === undefined ? 'ssh chose the user' : `the user was ${user}`;
  const way =
    jump === undefined ? `${address} was reached directly` : `${address} was reached through its host`;
  return (
    `ssh ended with ${SSH_FAILED}: ${who} (sshUser, --user), ${way} (--jump). ` +
    `If the disk of the machine was replaced, its host key is a new one: caplv ssh ${name} --new-host-key`
  );
}
