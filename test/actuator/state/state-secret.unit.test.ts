/** Verifies how state Secrets are unpacked, split into parts, set aside and kept. */

import { json } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { SecretHistory } from '../../../src/actuator/state/secret-history.ts';
import {
  ASIDES,
  PART_BYTES,
  STATE_PARTS,
  StateSecret,
  unzipped,
} from '../../../src/actuator/state/state-secret.ts';
import { Client } from '../../../src/kube/client/client.ts';
import { STATE_BYTES } from '../../../src/terraform/format/state.ts';
import { FakeServer } from '../../kube/fake-server.ts';

const open: { close(): void }[] = [];

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A client of a server that has these Secrets, by name. */
async function clientOf(secrets: (name: string) => object | undefined) {
  const server = await FakeServer.start(({ pathname }, response, { method }) => {
    const name = /secrets\/(.*)$/.exec(pathname)?.[1];
    const answer =
      name === undefined ? { metadata: {}, items: [secrets('')] } : method === 'GET' ? secrets(name) : {};
    response.writeHead(answer ? 200 : 404).end(JSON.stringify(answer ?? {}));
  });
  const client = new Client(server.connection);
  open.push(client, server);
  return { server, client };
}

describe('a compressed state', () => {
  it('is unpacked up to the limit, and not one byte further', () => {
    expect(unzipped(gzipSync(Buffer.alloc(STATE_BYTES, ' ')), 'Secret a/b')).toHaveLength(STATE_BYTES);
    expect(() => unzipped(gzipSync(Buffer.alloc(STATE_BYTES + 1, ' ')), 'Secret a/b')).toThrow(
      `the Terraform state in Secret a/b cannot be read: it has more than ${STATE_BYTES} bytes`,
    );
  });
});

describe('the parts of a state', () => {
  const full = Buffer.alloc(PART_BYTES).toString('base64');
  const key = { namespace: 'a', name: 'tfstate-web-caplv' };

  it('that never end are left', async () => {
    const { server, client } = await clientOf(() => ({ data: { tfstate: full } }));
    await expect(new StateSecret(client, key).state()).rejects.toThrow(
      `it has more than ${STATE_PARTS} parts`,
    );
    expect(server.requests).toHaveLength(STATE_PARTS + 1);
  });

  it('are removed with their state, and other Secrets with similar names are kept', async () => {
    const { server, client } = await clientOf(() => ({ metadata: {}, data: {} }));
    await new StateSecret(client, key).remove();
    expect(server.requests.some((path) => path.endsWith(`-part-${STATE_PARTS}`))).toBe(true);
    expect(server.requests.some((path) => path.endsWith(`-part-${STATE_PARTS + 1}`))).toBe(false);
  });
});

describe('the further parts of a large state', () => {
  const owners = { ownerReferences: [{ apiVersion: 'v1', kind: 'LibvirtMachine', name: 'web', uid: 'u' }] };
  const others = { ownerReferences: [{ apiVersion: 'v1', kind: 'LibvirtMachine', name: 'web', uid: 'old' }] };

  it('are given the owner of the first where they lack it, or somebody removed it, so that clusterctl move takes them along', async () => {
    const metadata: Readonly<Record<string, object>> = {
      1: owners,
      2: {},
      3: others,
      4: { ownerReferences: [] },
    };
    const given = new Map<string, unknown>();
    const server = await FakeServer.start(async ({ pathname }, response, request) => {
      const part = /secrets\/tfstate-web-caplv-part-(.*)$/.exec(pathname)?.[1] ?? '';
      if (request.method === 'PATCH') given.set(part, await json(request));
      const found = metadata[part];
      response.writeHead(found ? 200 : 404).end(JSON.stringify(found ? { metadata: found } : {}));
    });
    const client = new Client(server.connection);
    open.push(client, server);
    await new StateSecret(client, { namespace: 'a', name: 'tfstate-web-caplv' }).ownParts(owners);
    expect([...given.keys()]).toEqual(['2', '3', '4']);
    expect([...given.values()]).toEqual(Array(3).fill({ metadata: owners }));
  });
});

describe('a Secret that is held under the lock of its state', () => {
  const key = { namespace: 'a', name: 'tfstate-web-caplv' };
  const secretOf = (version: number, text: string, note?: string) => ({
    metadata: {
      ...key,
      resourceVersion: String(version),
      annotations: { 'caplv.cluster-api.k8s.io/unfinished': note },
    },
    data: { tfstate: gzipSync(text).toString('base64') },
  });

  /** A server of one Secret, which `write` replaces as terraform does. */
  async function held() {
    let stored = secretOf(1, 'before');
    const asked: string[] = [];
    const server = await FakeServer.start(async (_, response, request) => {
      asked.push(request.method ?? '');
      if (request.method === 'PATCH') {
        const { metadata } = (await json(request)) as ReturnType<typeof secretOf>;
        const { resourceVersion, annotations } = metadata;
        if (resourceVersion !== undefined && resourceVersion !== stored.metadata.resourceVersion) {
          response.writeHead(409).end(JSON.stringify({ kind: 'Status', reason: 'Conflict', code: 409 }));
          return;
        }
        const version = Number(stored.metadata.resourceVersion) + 1;
        stored = { ...stored, metadata: { ...stored.metadata, resourceVersion: `${version}`, annotations } };
      }
      response.writeHead(200).end(JSON.stringify(stored));
    });
    const client = new Client(server.connection);
    open.push(client, server);
    const secret = new StateSecret(client, key);
    secret.hold(stored as never);
    return { secret, asked, write: (text: string) => (stored = secretOf(9, text)) };
  }

  it('is read again only after a run, which may have written it', async () => {
    const { secret, asked, write } = await held();
    expect(await secret.state()).toBe('before');
    await secret.notes.write('unfinished', 'create');
    expect(await secret.notes.read('unfinished')).toBe('create');
    expect(asked).toEqual(['PATCH']);
    write('after');
    secret.forget();
    expect(await secret.state()).toBe('after');
    expect(await secret.notes.read('unfinished')).toBeUndefined();
    expect(asked).toEqual(['PATCH', 'GET']);
  });

  it('is not written over what somebody else has written since: the work begins again from there', async () => {
    const { secret, write } = await held();
    expect(await secret.state()).toBe('before');
    write('of another process');
    await expect(secret.notes.write('unfinished', 'create')).rejects.toMatchObject({ code: 'Conflict' });
    expect(await secret.state()).toBe('of another process');
    await secret.notes.write('unfinished', 'create');
  });

  it('is read once for what asks of one time, and again for the next', async () => {
    const { secret, asked, write } = await held();
    secret.release();
    const both = () =>
      secret.readOnce(async () => [await secret.state(), await secret.notes.read('unfinished')]);
    expect(await both()).toEqual(['before', undefined]);
    write('after');
    expect(await both()).toEqual(['after', undefined]);
    expect(asked).toEqual(['GET', 'GET']);
  });

  it('is read each time once the lock is given back', async () => {
    const { secret, asked } = await held();
    secret.release();
    await secret.state();
    await secret.notes.read('unfinished');
    expect(asked).toEqual(['GET', 'GET']);
  });
});

describe('a state that cannot be read', () => {
  const key = { namespace: 'a', name: 'tfstate-web-caplv' };

  /** A server of these Secrets, which makes and deletes them; `names` are there at the moment. */
  async function serverOf(...there: string[]) {
    const names = new Set(there);
    const server = await FakeServer.start(async ({ pathname }, response, request) => {
      const name = /secrets\/(.*)$/.exec(pathname)?.[1];
      if (request.method === 'POST')
        names.add(((await json(request)) as { metadata: { name: string } }).metadata.name);
      const found = name === undefined || names.has(name);
      if (request.method === 'DELETE' && name !== undefined) names.delete(name);
      response
        .writeHead(found ? 200 : 404)
        .end(JSON.stringify(found ? { metadata: { name }, data: { tfstate: 'YQ==' } } : {}));
    });
    const client = new Client(server.connection);
    open.push(client, server);
    return { names, state: new StateSecret(client, key) };
  }

  it('is set aside under a name that is free, and what was set aside before stays', async () => {
    const { names, state } = await serverOf(key.name, `${key.name}.corrupt`, `${key.name}.corrupt-2`);
    await state.setAside();
    expect([...names]).toEqual([
      key.name,
      `${key.name}.corrupt`,
      `${key.name}.corrupt-2`,
      `${key.name}.corrupt-3`,
    ]);
  });

  it('stays where it is when no name is free', async () => {
    const taken = Array.from({ length: ASIDES - 1 }, (_, index) => `${key.name}.corrupt-${index + 2}`);
    const { names, state } = await serverOf(key.name, `${key.name}.corrupt`, ...taken);
    await expect(state.setAside()).rejects.toThrow(`${ASIDES} states are set aside`);
    expect(names.size).toBe(ASIDES + 1);
  });

  it('goes with its machine, however many were set aside', async () => {
    const part = `${key.name}-part-1`;
    const { names, state } = await serverOf(
      key.name,
      part,
      `${key.name}.corrupt`,
      `${part}.corrupt`,
      `${key.name}.corrupt-2`,
    );
    await state.remove();
    expect([...names]).toEqual([]);
  });
});

describe('a kept state', () => {
  const kept = { serial: 7, lineage: '1b9d6bcd', resources: 3, parts: 1 };
  const annotation = 'caplv.cluster-api.k8s.io/kept-state';

  it.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['a thousand million parts', JSON.stringify({ ...kept, parts: 1e9 })],
    ['one part too many', JSON.stringify({ ...kept, parts: STATE_PARTS + 2 })],
    ['a serial that is a text', JSON.stringify({ ...kept, serial: '7' })],
    ['a long text', JSON.stringify({ ...kept, lineage: 'x'.repeat(2_000) })],
  ])('whose annotation says %s is left out', async (_, text) => {
    const secret = { metadata: { name: 'x', annotations: { [annotation]: text } } };
    const { client } = await clientOf(() => secret);
    const history = new SecretHistory(
      client,
      { namespace: 'a', name: 'x' },
      { suffix: 'caplv', workspace: 'x', owner: async () => ({}), ownParts: async () => {} },
      5,
    );
    expect(await history.list()).toEqual([]);
    secret.metadata.annotations[annotation] = JSON.stringify({ ...kept, parts: STATE_PARTS + 1 });
    expect(await history.list()).toMatchObject([{ serial: 7 }]);
  });
});
