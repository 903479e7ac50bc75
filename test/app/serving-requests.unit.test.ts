/** Verifies that requests of serving certificates are approved on evidence of the host alone, and that no workload API server delays or misleads that. */

import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import { REQUEST_CHARACTERS } from '../../src/app/serving-request.ts';
import { WorkloadServingRequests } from '../../src/app/serving-request-client.ts';
import { WorkloadConnections } from '../../src/app/workload-connection.ts';
import { CertificateReconciler } from '../../src/controllers/certificate/controller.ts';
import { ownershipMark } from '../../src/intent/names.ts';
import { Policy } from '../../src/intent/policy.ts';
import { Client } from '../../src/kube/client/client.ts';
import type { DomainObservation } from '../../src/libvirt/domain.ts';
import { LibvirtError } from '../../src/libvirt/libvirt-error.ts';
import { type RequestOptions, servingRequest } from '../controllers/certificate/kubelet-request.ts';
import { FakeServer } from '../kube/fake-server.ts';
import { capturedLog } from '../telemetry/log-lines.ts';
import { closedAfterTest } from './closed-after-test.ts';

const CLUSTER = { namespace: 'a', name: 'c' };
const UID = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';
const ADDRESS = '10.17.3.20';

function machine(name = 'w0', more: { readonly spec?: object; readonly metadata?: object } = {}): Machine {
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name, namespace: 'a', uid: UID, ...more.metadata },
    spec: { providerSpec: { vcpu: 1, memoryMiB: 512, imageURI: '/i', ...more.spec } },
    // What a guest agent said is here, too.
    status: {
      addresses: [{ type: 'InternalIP', address: '10.17.3.99' }],
      providerStatus: { instanceState: 'running', pinned: { uri: 'qemu:///system' } },
    },
  } as unknown as Machine;
}

function domain(more: Partial<DomainObservation> = {}): DomainObservation {
  const lease = { mac: '52:54:00:00:00:01', prefix: 24, family: 'ipv4', source: 'lease' } as const;
  return {
    name: 'a.w0',
    state: 'running',
    description: ownershipMark({ namespace: 'a', name: 'w0', uid: UID }, undefined),
    addresses: [
      { ...lease, address: ADDRESS },
      { ...lease, address: '10.17.3.99', source: 'agent' },
    ],
    ...more,
  } as DomainObservation;
}

/** A CertificateSigningRequest as an API server lists it. */
function signingRequest(name = 'csr-1', pem: RequestOptions = {}, more: { readonly status?: object } = {}) {
  const { username, groups, usages, request } = servingRequest({}, pem);
  const spec = {
    username,
    groups,
    usages,
    request: btoa(request),
    signerName: 'kubernetes.io/kubelet-serving',
  };
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: '7' }, spec, ...more };
}

interface World {
  readonly items?: readonly unknown[];
  readonly machines?: readonly Machine[];
  readonly domain?: () => Promise<DomainObservation | undefined>;
  readonly answers?: boolean;
  readonly answer?: Parameters<typeof FakeServer.startSecure>[0];
  readonly hasKubeconfig?: boolean;
}

/** One pass over a cluster whose API server lists these requests. */
async function pass({ items = [], machines = [machine()], hasKubeconfig = true, ...world }: World) {
  const patches: { readonly path: string | undefined; readonly body: unknown }[] = [];
  const answer = async (url: URL, response: Parameters<typeof list>[1], request: IncomingMessage) => {
    if (request.method !== 'PATCH') return list(items, response);
    patches.push({ path: url.pathname, body: JSON.parse(await text(request)) });
    response.end('{}');
  };
  const server = closedAfterTest(
    await FakeServer.startSecure(world.answer ?? ((...args) => void answer(...args))),
  );
  const own = closedAfterTest(
    await FakeServer.start((_, response) => {
      const value = hasKubeconfig ? Buffer.from(server.kubeconfig).toString('base64') : '';
      response.end(JSON.stringify({ metadata: { name: 'c-kubeconfig' }, data: { value } }));
    }),
  );
  const { log, lines } = capturedLog();
  const client = closedAfterTest(new Client(own.connection));
  const connections = new WorkloadConnections({ secrets: client, log, guard: async () => undefined });
  const events: string[] = [];
  const decisions: string[] = [];
  const reconciler = new CertificateReconciler({
    machinesOf: () => machines,
    requests: new WorkloadServingRequests({ connections, mayWrite: () => {}, requestMs: 1_000 }),
    recorder: { event: (_, { reason, message }) => events.push(`${reason}: ${message}`) },
    onDecision: (result) => decisions.push(result),
    policy: new Policy({ allow: 'everything', libvirtUri: 'qemu:///system' }),
    libvirt: () => ({ domain: world.domain ?? (async () => domain()), answers: world.answers }),
  });
  const again = () => reconciler.reconcile(CLUSTER, { log });
  return { result: await again(), again, patches, events, decisions, lines, server };
}

function list(items: readonly unknown[], response: { end(text: string): unknown }): void {
  response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items }));
}

it('approves the request of a machine as it was read, and says for which machine', async () => {
  const { patches, events, result, server, decisions } = await pass({ items: [signingRequest()] });
  expect(server.requests[0]).toMatch(/fieldSelector=spec.signerName%3Dkubernetes.io%2Fkubelet-serving/);
  expect(patches).toEqual([
    {
      path: '/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval',
      body: {
        metadata: { uid: 'uid-csr-1', resourceVersion: '7' },
        status: {
          conditions: [
            {
              type: 'Approved',
              status: 'True',
              reason: 'CaplvMachine',
              message: 'The names and addresses are those of machine a/w0.',
            },
          ],
        },
      },
    },
  ]);
  expect(events).toEqual(['ServingCertificateApproved: certificate request csr-1']);
  expect(decisions).toEqual(['approved']);
  expect(result.requeueAfterMs).toBeGreaterThan(0);
});

it('an address in the manifest counts, without its prefix', async () => {
  const spec = { interfaces: [{ bridge: 'br0', addresses: ['10.17.3.30/24'] }] };
  const items = [
    signingRequest('own', { names: ['IP:10.17.3.30'] }),
    signingRequest('other', { names: ['IP:10.17.3.31'] }),
  ];
  const { patches } = await pass({ items, machines: [machine('w0', { spec })] });
  expect(patches.map(({ path }) => path?.split('/').at(-2))).toEqual(['own']);
});

it.each<[string, World, string]>([
  [
    'an address that only the guest agent names',
    { items: [signingRequest('x', { names: ['IP:10.17.3.99'] })] },
    'an address that is not known',
  ],
  [
    'a machine whose domain does not run',
    { domain: async () => domain({ state: 'shutoff' }) },
    'the domain of the machine does not run',
  ],
  ['a machine without a domain', { domain: async () => undefined }, 'the domain of the machine does not run'],
  [
    'a domain of another machine',
    { domain: async () => domain({ description: '' }) },
    'the domain of the machine does not run',
  ],
  [
    'a host that does not answer',
    {
      domain: async () =>
        Promise.reject(new LibvirtError({ code: 'unreachable', uri: 'u', command: 'c', message: 'm' })),
    },
    'the host of the machine does not answer',
  ],
  [
    'a name that two machines have',
    { machines: [machine(), machine('capi~w0')] },
    'two machines of the cluster',
  ],
])('refuses %s once, with an event for the machine', async (_, world, reason) => {
  const { patches, events, again, decisions } = await pass({ items: [signingRequest()], ...world });
  await again();
  expect(patches).toEqual([]);
  expect(decisions).toEqual(['refused']);
  expect(events).toEqual([expect.stringContaining(`ServingCertificateRefused: certificate request`)]);
  expect(events[0]).toContain(reason);
});

it('refuses the request of a Node that is no machine of the cluster in the log alone', async () => {
  const { patches, events, lines } = await pass({ items: [signingRequest()], machines: [machine('w1')] });
  expect(patches).toEqual([]);
  expect(events).toEqual([]);
  expect(lines).toContainEqual(
    expect.objectContaining({
      message: 'Left a certificate request alone',
      reason: 'no running machine of the cluster has the name of its Node',
    }),
  );
});

it.each<[string, World]>([
  ['no machine', { machines: [] }],
  ['no machine that stays', { machines: [machine('w0', { metadata: { deletionTimestamp: 'now' } })] }],
  [
    'no machine that is not paused',
    { machines: [machine('w0', { metadata: { annotations: { 'cluster-api.k8s.io/paused': '' } } })] },
  ],
  ['no kubeconfig: requests of the own cluster are its operator’s', { hasKubeconfig: false }],
])('asks no API server for a cluster with %s', async (_, world) => {
  const { server, patches } = await pass({ items: [signingRequest()], ...world });
  expect(server.requests).toEqual([]);
  expect(patches).toEqual([]);
});

it('leaves alone what is decided on, of another signer, too long, or no request at all', async () => {
  const { metadata, spec } = signingRequest();
  const items = [
    signingRequest('denied', {}, { status: { conditions: [{ type: 'Denied', status: 'True' }] } }),
    signingRequest('issued', {}, { status: { certificate: 'AAAA' } }),
    { metadata, spec: { ...spec, signerName: 'kubernetes.io/kube-apiserver-client-kubelet' } },
    { metadata, spec: { ...spec, request: 'A'.repeat(REQUEST_CHARACTERS + 4) } },
    { metadata: { ...metadata, name: '../../secrets' }, spec },
    { metadata, spec: { ...spec, groups: { length: 1 } } },
    { metadata },
    null,
  ];
  const { patches, events, lines } = await pass({ items });
  expect(patches).toEqual([]);
  expect(events).toEqual([]);
  expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
});

it.each<[string, NonNullable<World['answer']>, string, string]>([
  ['is silent', () => {}, 'NodesUnreadable', 'does not answer in time'],
  [
    'gives no right',
    (_, response) => void response.writeHead(403).end('secret'),
    'NodeAccessDenied',
    'status 403',
  ],
  [
    'answers nonsense',
    (_, response) => void response.end('{"items":3}'),
    'NodesUnreadable',
    'what is no list',
  ],
  ['fails', (_, response) => void response.writeHead(500).end('secret'), 'NodesUnreadable', 'status 500'],
])(
  'a server that %s is an error without its text, within the time limit',
  async (_, answer, code, message) => {
    const failed = await pass({ answer }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(JSON.stringify(failed)).not.toContain('secret');
  },
);

it('somebody else who decides first is no error', async () => {
  const items = [signingRequest()];
  const answer: World['answer'] = (_, response, request) => {
    if (request.method === 'PATCH') response.writeHead(409).end('{"reason":"Conflict","code":409}');
    else list(items, response);
  };
  const { events, decisions } = await pass({ answer });
  expect(events).toEqual([]);
  expect(decisions).toEqual([]);
});
