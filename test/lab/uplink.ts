/** Links a sandbox to this machine. */

import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Sandbox } from './sandbox.ts';

/**
 * A network link between this machine and a sandbox, on addresses of 198.18.0.0/15, which are reserved for tests
 * (RFC 2544) and routed nowhere. The kernel removes it with the sandbox, if nobody else does.
 */
export interface Uplink {
  /** IPv4 address of this machine on the link; guests of the sandbox reach it too. */
  readonly machineAddress: string;
  /** IPv4 address of the sandbox on the link. */
  readonly address: string;
}

/** The link of the sandbox in this directory, if it has one. */
export async function findUplink(directory: string): Promise<Uplink | undefined> {
  const { stdout, failed } = await execa(
    'ip',
    ['-json', 'address', 'show', 'dev', interfaceName(directory)],
    {
      reject: false,
    },
  );
  if (failed) return undefined;
  const [link]: { addr_info: { local: string }[] }[] = JSON.parse(stdout);
  const machineAddress = link?.addr_info.find(({ local }) => local.startsWith('198.'))?.local;
  return machineAddress ? { machineAddress, address: neighbour(machineAddress) } : undefined;
}

/** The caller holds the lock of the lab's parent directory, so that no two links take the same addresses. */
export async function createUplink(directory: string, sandbox: Sandbox): Promise<Uplink> {
  const name = interfaceName(directory);
  const machineAddress = await freeAddress();
  const address = neighbour(machineAddress);
  await execa('ip', [
    'link',
    'add',
    name,
    'type',
    'veth',
    'peer',
    'name',
    'uplink',
    'netns',
    String(sandbox.pid),
  ]);
  await sandbox.run('ip', 'address', 'add', `${address}/30`, 'dev', 'uplink');
  await sandbox.run('ip', 'link', 'set', 'uplink', 'up');
  await execa('ip', ['address', 'add', `${machineAddress}/30`, 'dev', name]);
  await execa('ip', ['link', 'set', name, 'up']);
  // When the link goes with its sandbox, its traffic must not leave by the machine's default route.
  await writeFile(routePath(directory), subnet(address));
  await execa('ip', ['route', 'replace', ...routeTo(subnet(address))]);
  return { machineAddress, address };
}

/** Its own end would go some time after the sandbox's, as the kernel finds the leisure. */
export async function removeUplink(directory: string): Promise<void> {
  await execa('ip', ['link', 'delete', interfaceName(directory)], { reject: false });
  const blocked = await readFile(routePath(directory), 'utf8').catch(() => undefined);
  if (blocked === undefined) return;
  await execa('ip', ['route', 'delete', ...routeTo(blocked)], { reject: false });
  await rm(routePath(directory));
}

/** Counts only when there is no link: every other route is preferred to it. */
function routeTo(network: string): string[] {
  return ['unreachable', network, 'metric', '4096'];
}

function routePath(directory: string): string {
  return join(directory, 'uplink-subnet');
}

/** Interface names have at most 15 characters. */
function interfaceName(directory: string): string {
  return `caplv${createHash('sha256').update(directory).digest('hex').slice(0, 8)}`;
}

async function freeAddress(): Promise<string> {
  const { stdout } = await execa('ip', ['-brief', '-4', 'address', 'show']);
  for (let third = 0; third < 256; third++) {
    if (!stdout.includes(` 198.18.${third}.`)) return `198.18.${third}.1`;
  }
  throw new Error('all 256 links of labs on this machine are taken: npm run lab -- down');
}

function subnet(address: string): string {
  return address.replace(/\.2$/, '.0/30');
}

function neighbour(machineAddress: string): string {
  return machineAddress.replace(/\.1$/, '.2');
}
