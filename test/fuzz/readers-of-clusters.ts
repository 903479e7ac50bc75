/** Lists the readers of API server answers, kubeconfigs and state Secrets. */

import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { ActuatorOptions } from '../../src/actuator/context/options.ts';
import { refuseForeignState } from '../../src/actuator/state/ownership.ts';
import { unzipped } from '../../src/actuator/state/state-secret.ts';
import { NodeWatch } from '../../src/app/node-watch.ts';
import { readNode, workloadNode } from '../../src/app/workload-node.ts';
import { TerminalError, TransientError } from '../../src/errors.ts';
import { Client } from '../../src/kube/client/client.ts';
import { connectionFromText } from '../../src/kube/client/kubeconfig.ts';
import { WORKLOAD_SERVER_LIMITS } from '../../src/kube/client/limits.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { holderFromLockInfo } from '../../src/terraform/format/lock-info.ts';
import { parseState } from '../../src/terraform/format/state.ts';
import { FakeServer } from '../kube/fake-server.ts';
import { HOST, MACHINE } from './identities.ts';
import { bracketsPacked, zerosPacked } from './inputs/bombs.ts';
import { jsonText, yamlText } from './inputs/json.ts';
import { type Reader, reader, refusedBy, require } from './reader.ts';

const KUBECONFIG = {
  'current-context': 'c',
  clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1', 'certificate-authority-data': 'eA==' } }],
  users: [{ name: 'u', user: { token: 't', 'client-key-data': 'eA==' } }],
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
};

const BARE_KUBECONFIG = {
  ...KUBECONFIG,
  clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1' } }],
  users: [{ name: 'u', user: { token: 't' } }],
};

const STATE = {
  version: 4,
  serial: 6,
  lineage: 'l',
  outputs: { id: { value: 'x', sensitive: true } },
  resources: [
    {
      mode: 'managed',
      type: 'libvirt_domain',
      name: 'd',
      instances: [{ index_key: 0, attributes: { id: 'x' } }],
    },
    {
      mode: 'managed',
      type: 'libvirt_volume',
      name: 'root',
      instances: [
        {
          attributes: {
            id: '/pool/default.web.1b9d6bcd-root.qcow2',
            name: 'default.web.1b9d6bcd-root.qcow2',
          },
        },
      ],
    },
  ],
};

/** Packed as the backend packs it, or as an attacker would. */
const packed = fc
  .tuple(
    jsonText(STATE),
    fc.constantFrom('gzip', 'gzip', 'gzip', 'gzip', 'cut', 'twice', 'plain', 'zeros', 'brackets'),
  )
  .map(([text, how]) => {
    if (how === 'plain') return Buffer.from(text);
    if (how === 'zeros') return zerosPacked();
    if (how === 'brackets') return bracketsPacked();
    const zipped = gzipSync(text, { level: 1 });
    if (how === 'cut') return zipped.subarray(0, zipped.length / 2);
    return how === 'twice' ? Buffer.concat([zipped, zipped]) : zipped;
  });

const untrusting = {
  trustsStates: false,
  libvirt: () => ({ domain: async () => undefined, domains: async () => [] }),
} as unknown as ActuatorOptions;

const NODE = {
  metadata: { name: 'n', uid: 'u', resourceVersion: '1' },
  spec: { providerID: 'libvirt:///x' },
  status: {
    addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-11-29T00:00:00Z' }],
  },
};
const NODE_LIST = { metadata: { resourceVersion: '7', continue: '' }, items: [NODE, NODE] };
const EVENTS = [
  { type: 'ADDED', object: NODE },
  { type: 'DELETED', object: NODE },
  { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
  { type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } },
];
/** Milliseconds that a watch may take to begin. */
const WATCHED_MS = 1_000;
const LOCK = {
  ID: 'a',
  Operation: 'OperationTypeApply',
  Who: 'a@b',
  Created: '2026-11-23T15:13:39Z',
  Info: '',
};

function isNode(node: ReturnType<typeof workloadNode>): boolean {
  return typeof node.name === 'string' && node.addresses.every((address) => typeof address === 'string');
}

export const CLUSTER_READERS: readonly Reader[] = [
  reader({
    name: 'kubeconfigs',
    runs: 2_000,
    inputs: yamlText(KUBECONFIG, BARE_KUBECONFIG, BARE_KUBECONFIG),
    read: (text) =>
      refusedBy([Error], async () => {
        const { server, requestOptions } = connectionFromText(text, 'Secret a/b', async () => undefined);
        require(server.protocol === 'https:', 'a server that need not prove who it is');
        const { ca, cert, key } = await requestOptions();
        createSecureContext({ ca, cert, key });
      }),
  }),
  reader({
    name: 'states, packed',
    runs: 2_000,
    inputs: packed,
    read: (bytes) =>
      refusedBy([TerminalError], async () => {
        const state = parseState(unzipped(bytes, 'Secret a/b'), 'Secret a/b');
        for (const { address, attributes } of state?.resources ?? []) {
          require(typeof address === 'string' && typeof attributes === 'object', 'a resource that is none');
        }
        await refuseForeignState(untrusting, { ...MACHINE, uri: HOST }, state);
      }),
  }),
  reader({
    name: 'locks of states',
    runs: 2_000,
    inputs: jsonText(LOCK),
    read(text) {
      const { who, operation, since } = holderFromLockInfo(text);
      require([who, operation, since].every(
        (one) => typeof one === 'string' && one.length < 1_000,
      ), 'no holder');
      return who === 'another terraform' ? 'refused' : 'read';
    },
  }),
  reader({
    name: 'Nodes',
    runs: 2_000,
    inputs: jsonText(NODE),
    read(text) {
      let object: unknown;
      try {
        object = JSON.parse(text);
      } catch {
        return 'refused';
      }
      const read = readNode(object);
      if ('node' in read) {
        require(isNode(workloadNode(read.node)), 'a Node that is none');
        return 'read';
      }
      require(/^[\w.]*: /.test(read.problem), `a problem without a field: ${read.problem.slice(0, 200)}`);
      return 'refused';
    },
  }),
  reader({
    name: 'API servers of workload clusters: lists, errors and events',
    runs: 2_000,
    inputs: fc.record({
      list: jsonText(NODE_LIST),
      status: fc.constantFrom(200, 200, 200, 200, 201, 302, 401, 410, 429, 500),
      events: fc.array(jsonText(...EVENTS), { maxLength: 5 }),
    }),
    read: ({ list, status, events }) =>
      refusedBy([TransientError], async () => {
        const watched = Promise.withResolvers<void>();
        const server = await FakeServer.start((url, response) => {
          if (!url.searchParams.has('watch')) {
            response
              .writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' })
              .end(list);
            return;
          }
          response.writeHead(200).end(`${events.join('\n')}\n`);
          response.on('close', watched.resolve);
        });
        const client = new Client(server.connection, new Metrics(), WORKLOAD_SERVER_LIMITS);
        const watch = new NodeWatch({
          client,
          place: 'this cluster',
          log: silentLogger,
          metrics: new Metrics(),
          onChange: (node) => require(isNode(node), 'a Node that is none'),
          startMs: 2_000,
        });
        try {
          await watch.start();
          // Some lists name no place from which to watch.
          await Promise.race([watched.promise, sleep(WATCHED_MS)]);
          require(watch.list().every(isNode), 'a Node that is none');
        } finally {
          watch.stop();
          client.close();
          server.close();
        }
      }),
  }),
];
