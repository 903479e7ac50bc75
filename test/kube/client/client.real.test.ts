/** Verifies server-side apply, conflicts and errors of the client at a real API server. */

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { keyOf } from '../../../src/apimachinery/object-key.ts';
import {
  controllerOf,
  controllerReference,
  isControlledBy,
} from '../../../src/apimachinery/owner-reference.ts';
import { TerminalError, TransientError } from '../../../src/errors.ts';
import { ApiError } from '../../../src/kube/client/api-error.ts';
import { Client } from '../../../src/kube/client/client.ts';
import { loadConnection } from '../../../src/kube/client/kubeconfig.ts';
import { KubernetesStore } from '../../../src/kube/runtime/kubernetes-store.ts';
import { addFinalizer, removeFinalizer } from '../../../src/store/finalizer.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { KubeLab } from '../../lab/kube/kube-lab.ts';
import { metricValue } from '../../telemetry/metric-value.ts';
import { labClient, upTestLab } from '../test-lab.ts';
import { WidgetKind, widget } from '../widget.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const metrics = new Metrics();
let lab: KubeLab;
let client: Client;
let store: KubernetesStore;

beforeAll(async () => {
  lab = await upTestLab();
  client = await labClient(lab, metrics);
  store = new KubernetesStore(client, { log: silentLogger, metrics });
});

afterAll(async () => {
  client?.close();
  await lab?.down();
});

const key = (name: string) => ({ namespace: 'default', name });
const as = (fieldManager: string) => ({ fieldManager });

describe('server-side apply', () => {
  it('removes what a manager leaves out, and nothing that belongs to others', async () => {
    const { metadata } = widget('apply');
    await store.apply(WidgetKind, { metadata, spec: { size: 1, color: 'red' } }, as('a'));
    await store.apply(
      WidgetKind,
      { metadata: { ...metadata, labels: { team: 'b' } }, spec: { tags: ['x'] } },
      as('b'),
    );
    const after = await store.apply(WidgetKind, { metadata, spec: { size: 2 } }, as('a'));
    expect(after.spec).toEqual({ size: 2, tags: ['x'] });
    expect(after.metadata.labels).toEqual({ team: 'b' });
  });

  it('applies the status of its manager only, and does not change the generation', async () => {
    const { metadata } = await store.apply(WidgetKind, widget('status', { size: 1 }), as('a'));
    const condition = (type: string) => ({ conditions: [{ type, status: 'True' }] });
    await store.applyStatus(WidgetKind, keyOf({ ...widget('status') }), condition('Ready'), as('a'));
    await store.applyStatus(WidgetKind, key('status'), condition('Joined'), as('b'));
    const after = await store.applyStatus(WidgetKind, key('status'), { phase: 'Running' }, as('a'));
    expect(after.status).toEqual({ phase: 'Running', conditions: [{ type: 'Joined', status: 'True' }] });
    expect(after.metadata.generation).toBe(metadata.generation);
  });

  it('writes nothing when nothing changes: a repeated status triggers no watch', async () => {
    await store.apply(WidgetKind, widget('same'), as('a'));
    const first = await store.applyStatus(WidgetKind, key('same'), { phase: 'Running' }, as('a'));
    const second = await store.applyStatus(WidgetKind, key('same'), { phase: 'Running' }, as('a'));
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  it('does not create an object again that was deleted meanwhile', async () => {
    const { metadata } = await store.apply(WidgetKind, widget('gone'), as('a'));
    await store.delete(WidgetKind, key('gone'));
    const stale = { metadata: { name: 'gone', namespace: 'default', uid: metadata.uid }, spec: { size: 1 } };
    await expect(store.apply(WidgetKind, stale, as('a'))).rejects.toMatchObject({ code: 'Conflict' });
    await expect(store.applyStatus(WidgetKind, key('gone'), { phase: 'x' }, as('a'))).rejects.toMatchObject({
      code: 'NotFound',
    });
    expect(await store.get(WidgetKind, key('gone'))).toBeUndefined();
  });
});

describe('conflicts', () => {
  it('refuses a stale resourceVersion or uid, as something that passes', async () => {
    const old = await store.apply(WidgetKind, widget('conflict', { size: 1 }), as('a'));
    await store.apply(WidgetKind, widget('conflict', { size: 2 }), as('a'));
    const { resourceVersion } = old.metadata;
    const stale = { metadata: { ...widget('conflict').metadata, resourceVersion }, spec: { size: 3 } };
    const error = await store.apply(WidgetKind, stale, as('a')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ code: 'Conflict' });
    await expect(store.delete(WidgetKind, key('conflict'), { resourceVersion })).rejects.toMatchObject({
      code: 'Conflict',
    });
    await expect(store.delete(WidgetKind, key('conflict'), { uid: 'other' })).rejects.toMatchObject({
      code: 'Conflict',
    });
    await expect(client.update(WidgetKind, old)).rejects.toMatchObject({ code: 409, reason: 'Conflict' });
  });

  it('says which field another manager owns, unless it is to be taken over', async () => {
    await store.apply(WidgetKind, widget('owned', { size: 1 }), as('a'));
    const taking = { fieldManager: 'b', force: false };
    await expect(store.apply(WidgetKind, widget('owned', { size: 2 }), taking)).rejects.toThrow(
      'conflict with "a": .spec.size',
    );
    expect((await store.apply(WidgetKind, widget('owned', { size: 2 }), as('b'))).spec.size).toBe(2);
  });
});

describe('refusals', () => {
  it('names the field of an invalid object, as something for a person', async () => {
    const error = await store
      .apply(WidgetKind, widget('invalid', { size: 0 }), as('a'))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ code: 'InvalidConfiguration', path: 'spec.size' });
    expect((error as Error).message).toContain('should be greater than or equal to 1');
  });

  it('refuses fields that the schema does not know, instead of dropping them', async () => {
    const typo = { ...widget('typo'), spec: { colour: 'red' } as object };
    const error = await store.apply(WidgetKind, typo, as('a')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ code: 'InvalidConfiguration', path: 'spec.colour' });
    expect((error as Error).message).toContain('field not declared in schema');
  });

  it('names the user, the missing right, and how to grant it', async () => {
    const bob = new Client(await loadConnection({ kubeconfig: await lab.userKubeconfig('bob') }));
    const error = await bob
      .list(WidgetKind, { namespace: 'default' })
      .catch((reason: unknown) => reason as ApiError);
    bob.close();
    expect(error).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message:
        'GET /apis/test.caplv.dev/v1/namespaces/default/widgets: widgets.test.caplv.dev is forbidden: User "bob" cannot list resource "widgets" in API group "test.caplv.dev" in the namespace "default"',
      fix: 'grant the verb and resource named here with a Role or ClusterRole, or use another identity',
    });
  });

  it('says where nothing answers', async () => {
    const connection = await loadConnection({ kubeconfig: lab.kubeconfig });
    const nowhere = new Client({ ...connection, server: new URL('https://127.0.0.1:1') });
    const error = await nowhere.get(WidgetKind, key('x')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 0, reason: 'Unreachable' });
    expect((error as Error).message).toContain('no answer from https://127.0.0.1:1: connect ECONNREFUSED');
  });
});

describe('what is absent', () => {
  it('is undefined to get and no error to delete', async () => {
    expect(await store.get(WidgetKind, key('nothing'))).toBeUndefined();
    await store.delete(WidgetKind, key('nothing'));
  });
});

describe('lists', () => {
  it('joins the pages of 1,200 objects, of one point in time, and fills in their types', async () => {
    const names = Array.from({ length: 1_200 }, (_, index) => `page-${index}`);
    while (names.length > 0) {
      const metadata = (name: string) => ({ name, namespace: 'default', labels: { page: 'yes' } });
      await Promise.all(
        names
          .splice(0, 100)
          .map((name) => client.create(WidgetKind, { ...widget(name), metadata: metadata(name) })),
      );
    }
    const requests = () =>
      metricValue(metrics.expose(), 'rest_client_requests_total{method="GET",code="200"}');
    const before = requests();
    const { items } = await client.list(WidgetKind, { namespace: 'default', labelSelector: 'page=yes' });
    expect(requests() - before).toBe(3);
    expect(new Set(items.map(({ metadata }) => metadata.name)).size).toBe(1_200);
    expect(items[0]).toMatchObject({ kind: 'Widget', apiVersion: 'test.caplv.dev/v1' });
  });
});

describe('finalizers', () => {
  it('hold a deleted object until they are removed, by whomever they were set', async () => {
    const created = await client.create(WidgetKind, {
      ...widget('finalized'),
      metadata: { ...widget('finalized').metadata, finalizers: ['test.caplv.dev/other'] },
    });
    const held = await addFinalizer(store, WidgetKind, created, 'test.caplv.dev/mine', as('b'));
    expect(held?.metadata.finalizers).toEqual(['test.caplv.dev/other', 'test.caplv.dev/mine']);
    await store.delete(WidgetKind, key('finalized'));

    for (const finalizer of ['test.caplv.dev/mine', 'test.caplv.dev/other']) {
      const current = await store.get(WidgetKind, key('finalized'));
      expect(current?.metadata.deletionTimestamp).toBeDefined();
      await removeFinalizer(store, WidgetKind, key('finalized'), finalizer, as('c'));
    }
    expect(await store.get(WidgetKind, key('finalized'))).toBeUndefined();
  });

  it('are not written over a newer version: another finalizer would be lost', async () => {
    const created = await store.apply(WidgetKind, widget('raced'), as('a'));
    await addFinalizer(store, WidgetKind, created, 'test.caplv.dev/first', as('a'));
    const late = addFinalizer(store, WidgetKind, created, 'test.caplv.dev/second', as('a'));
    await expect(late).rejects.toMatchObject({
      code: 'Conflict',
    });
  });
});

describe('owners', () => {
  it('are known by uid', async () => {
    const owner = await store.apply(WidgetKind, widget('owner'), as('a'));
    const ownerReferences = [controllerReference(WidgetKind, owner)];
    const metadata = { ...widget('owned-by').metadata, ownerReferences };
    const object = await store.apply(WidgetKind, { metadata }, as('a'));
    expect(controllerOf(object)?.name).toBe('owner');
    expect(isControlledBy(object, owner)).toBe(true);
    expect(
      isControlledBy(object, { ...owner, metadata: { ...owner.metadata, uid: 'of another life' } }),
    ).toBe(false);
  });
});
