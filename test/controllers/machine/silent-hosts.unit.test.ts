/** Verifies that hosts that do not answer occupy only some of the workers. */

import { expect, it } from 'vitest';
import type { Cluster } from '../../../src/api/kinds/cluster.ts';
import type { Machine } from '../../../src/api/kinds/machine.ts';
import { SilentHosts, WORKERS_PER_SILENT_HOST } from '../../../src/controllers/machine/silent-hosts.ts';
import { UNLIMITED } from '../../../src/intent/policy.ts';

const hosts = ['silent', 'new', 'good'].map((name) => `qemu+ssh://${name}/system`);
const [SILENT = '', NEW = '', GOOD = ''] = hosts;

const cluster = {
  metadata: { name: 'c', namespace: 'unplaced' },
  spec: {
    providerSpec: {
      hosts: [
        { name: 'a', uri: GOOD },
        { name: 'b', uri: SILENT },
      ],
    },
  },
} as unknown as Cluster;

/** What a Machine itself asks for, by its name. */
const named = new Map([['asks', SILENT]]);

/** A Machine is on the host that its name begins with, but for those of one namespace. */
function machine({ namespace, name }: { namespace: string; name: string }): Machine {
  const uri = hosts.find((one) => one.includes(name.split('-')[0] ?? ''));
  const status = namespace === 'unplaced' ? {} : { providerStatus: { pinned: { uri } } };
  const spec = { providerSpec: { imageURI: '/base.qcow2', uri: named.get(name) } };
  return { metadata: { namespace, name }, spec, status } as unknown as Machine;
}

function silentHosts(workers = 16) {
  return new SilentHosts({
    machines: { get: machine },
    clusters: { list: (namespace) => (namespace === 'unplaced' ? [cluster] : []) },
    policy: UNLIMITED,
    answers: (uri) => (uri === GOOD ? true : uri === NEW ? undefined : false),
    workers,
  });
}

const on = (host: string, count: number, namespace = 'a') =>
  Array.from({ length: count }, (_, i) => ({ namespace, name: `${host}-${i}` }));

it.each(['silent', 'new'])('a host that is %s gets few workers, one that answers all of them', (host) => {
  const { mayStart } = silentHosts();
  const one = { namespace: 'b', name: `${host}-x` };
  expect(mayStart(one, on(host, WORKERS_PER_SILENT_HOST - 1))).toBe(true);
  expect(mayStart(one, on(host, WORKERS_PER_SILENT_HOST))).toBe(false);
  expect(mayStart({ namespace: 'b', name: 'good-x' }, on(host, 15))).toBe(true);
  expect(mayStart({ namespace: 'b', name: 'good-x' }, on('good', 15))).toBe(true);
});

it('many hosts that do not answer get half of the workers together', () => {
  const { mayStart } = silentHosts(6);
  const busy = [...on('silent', 2), ...on('new', 1)];
  expect(mayStart({ namespace: 'b', name: 'new-x' }, busy.slice(1))).toBe(true);
  expect(mayStart({ namespace: 'b', name: 'new-x' }, busy)).toBe(false);
});

it('a Machine without a host counts for all hosts of its Cluster', () => {
  const { mayStart } = silentHosts();
  expect(mayStart({ namespace: 'unplaced', name: 'x' }, on('good', 10))).toBe(true);
  expect(mayStart({ namespace: 'unplaced', name: 'x' }, on('silent', WORKERS_PER_SILENT_HOST))).toBe(false);
  expect(mayStart({ namespace: 'unplaced', name: 'asks' }, on('silent', WORKERS_PER_SILENT_HOST))).toBe(
    false,
  );
});
