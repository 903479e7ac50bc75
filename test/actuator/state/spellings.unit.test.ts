/** Verifies that the state of a host is found under the libvirt URI of an earlier version. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalStateBackends } from '../../../src/actuator/state/local.ts';
import { shortHash } from '../../../src/intent/names.ts';
import { Policy } from '../../../src/intent/policy.ts';

const EARLIER = 'qemu+ssh://root@Rack1:22/system';
const HOST = 'qemu+ssh://root@rack1/system';

test('the state of a host that an earlier version kept under another spelling is found, and no second one begun', async () => {
  const root = await mkdtemp(join(tmpdir(), 'caplv-spellings-'));
  try {
    const { hosts } = new Policy({ allow: 'everything' });
    const workspaces = new LocalStateBackends(root, { spellingsOf: hosts.spellingsOf });
    const host = hosts.named(HOST, 'URI');
    const dirOf = async (one: string) => (await workspaces.host(hosts.named(one, 'URI'))).workspace.dir;
    const own = join(root, 'hosts', shortHash(HOST));
    expect(await dirOf(HOST)).toBe(own);
    expect(hosts.named(EARLIER, 'URI')).toBe(host);
    const earlier = (await workspaces.host(EARLIER as typeof host)).workspace.dir;
    expect(await dirOf(HOST)).toBe(own);
    await writeNote(workspaces, EARLIER as typeof host);
    expect(await dirOf(HOST)).toBe(earlier);
    expect(await dirOf(EARLIER)).toBe(earlier);
    await writeNote(new LocalStateBackends(root), host);
    expect(await dirOf(EARLIER)).toBe(own);
  } finally {
    await rm(root, { recursive: true });
  }
});

async function writeNote(
  workspaces: LocalStateBackends,
  host: Parameters<LocalStateBackends['host']>[0],
): Promise<void> {
  const { notes, workspace } = await workspaces.host(host);
  await mkdir(workspace.dir, { recursive: true });
  await notes.write('applied', '');
}
