/** Verifies that worker threads synthesize the same stacks, and end with their process. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, expect, test } from 'vitest';
import { synthHost, synthMachine } from '../../stacks/synth.ts';
import { Synthesizer } from '../../stacks/synthesizer.ts';
import { host, minimalMachine, richMachine } from './intents.ts';

const implicit = { kind: 'implicit' } as const;
const open: Synthesizer[] = [];

function synthesizer(recycleAfter?: number): Synthesizer {
  const created = new Synthesizer(recycleAfter);
  open.push(created);
  return created;
}

/** Loading cdktf takes most of each test, so those that leave their thread as it was share one. */
const shared = new Synthesizer();

afterEach(() => Promise.all(open.splice(0).map((each) => each.close())));
afterAll(() => shared.close());

test('a thread gives what a call gives', async () => {
  expect(await shared.machine(richMachine, implicit)).toEqual(synthMachine(richMachine, implicit));
  expect(await shared.host(host, implicit)).toEqual(synthHost(host, implicit));
});

test('requests at once each get their own answer, also while threads are replaced', async () => {
  const threaded = synthesizer(2);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const answers = await Promise.all(
    names.map((name) =>
      threaded.machine(
        { ...minimalMachine, domain: { ...minimalMachine.domain, name } },
        { kind: 'local', path: name },
      ),
    ),
  );
  for (const [index, answer] of answers.entries()) {
    expect(answer).toMatchObject({
      resource: { libvirt_domain: { machine: { name: names[index] } } },
      terraform: { backend: { local: { path: names[index] } } },
    });
  }
});

test('an intent that makes no stack rejects its own request, with the reason, and no other', async () => {
  const twice = { ...richMachine, disks: richMachine.disks.slice(0, 1).flatMap((disk) => [disk, disk]) };
  await expect(shared.machine(twice, implicit)).rejects.toThrow(/disk_etcd/);
  await expect(shared.machine(minimalMachine, implicit)).resolves.toHaveProperty('resource');
});

test('a closed thread rejects its requests; the next request gets another thread', async () => {
  const threaded = synthesizer();
  const waiting = expect(threaded.machine(minimalMachine, implicit)).rejects.toThrow('has ended');
  await threaded.close();
  await waiting;
  await expect(threaded.machine(minimalMachine, implicit)).resolves.toHaveProperty('resource');
});

test('a process with an idle synthesizer ends, and has not loaded cdktf in its main thread', async () => {
  const program = join(import.meta.dirname, 'idle-process.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  expect(stdout).toBe('0\n');
});
