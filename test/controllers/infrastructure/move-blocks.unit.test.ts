/** Verifies that `clusterctl move` waits while Terraform runs. */

import { describe, expect, it } from 'vitest';
import type { LibvirtCluster } from '../../../src/api/infrastructure/libvirt-cluster.ts';
import type { LibvirtMachine } from '../../../src/api/infrastructure/libvirt-machine.ts';
import type { KubeObject, ObjectMeta, ResourceKind } from '../../../src/apimachinery/object.ts';
import { hasHostParts, MoveBlocks } from '../../../src/controllers/infrastructure/move-blocks.ts';
import { infrastructureKey } from '../../../src/intent/names.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Logger } from '../../../src/telemetry/logger.ts';

const BLOCK = 'clusterctl.cluster.x-k8s.io/block-move';
const KEY = { namespace: 'default', name: 'web' };
const MACHINE = infrastructureKey(KEY);

/** A store of one LibvirtMachine and its Cluster. */
function world(paused = false) {
  const labels = { 'cluster.x-k8s.io/cluster-name': 'one' };
  const one = { kind: 'LibvirtMachine', metadata: { ...KEY, uid: 'u', labels } as ObjectMeta, spec: {} };
  const objects: Record<string, unknown> = {
    LibvirtMachine: one,
    Cluster: { kind: 'Cluster', metadata: { name: 'one' }, spec: { paused } },
  };
  const store = {
    get: async ({ kind }: ResourceKind) => structuredClone(objects[kind]),
    apply: async (_: ResourceKind, { metadata }: KubeObject) => {
      one.metadata = { ...one.metadata, annotations: metadata.annotations ?? {} };
      return one;
    },
  } as unknown as Store;
  const blocks = new MoveBlocks({ store, log: {} as Logger });
  const isBlocked = () => one.metadata.annotations?.[BLOCK] !== undefined;
  return { blocks, isBlocked, one: one as unknown as LibvirtMachine };
}

describe('clusterctl move', () => {
  it('waits from before a run to its end', async () => {
    const { blocks, isBlocked } = world();
    expect(await blocks.whileRunning(MACHINE, 'update', async () => isBlocked())).toBe(true);
    expect(isBlocked()).toBe(false);
  });

  it('waits to the end of the reconcile of which a run is a part, and not for one without a run', async () => {
    const { blocks, isBlocked, one } = world();
    await blocks.throughout(MACHINE, one, async () => {
      expect(isBlocked()).toBe(false);
      await blocks.whileRunning(MACHINE, 'update', async () => {});
      expect(isBlocked()).toBe(true);
    });
    expect(isBlocked()).toBe(false);
  });

  it('does not wait for a run that failed', async () => {
    const { blocks, isBlocked } = world();
    const failed = blocks.whileRunning(MACHINE, 'update', () => Promise.reject(new Error('no')));
    await expect(failed).rejects.toThrow('no');
    expect(isBlocked()).toBe(false);
  });

  it('has paused the Cluster: no run begins that it may not have seen', async () => {
    const { blocks, isBlocked } = world(true);
    await expect(blocks.whileRunning(MACHINE, 'update', async () => 'ran')).rejects.toThrow('was paused');
    expect(isBlocked()).toBe(false);
    expect(await blocks.whileRunning(MACHINE, 'settle', async () => 'ran')).toBe('ran');
  });

  it('finds no block on a Machine of the original API', async () => {
    const { blocks, isBlocked } = world();
    expect(await blocks.whileRunning(KEY, 'update', async () => isBlocked())).toBe(false);
  });

  it('is known to wait for a process that ended', async () => {
    const { blocks, one } = world();
    expect(blocks.isLeft(one, MACHINE)).toBe(false);
    one.metadata.annotations = { [BLOCK]: '' };
    expect(blocks.isLeft(one, MACHINE)).toBe(true);
    await blocks.throughout(MACHINE, one, async () => expect(blocks.isLeft(one, MACHINE)).toBe(false));
  });
});

it.each([
  ['nothing', {}, false],
  ['names alone', { network: { name: 'lan' }, pool: { name: 'fast' } }, false],
  ['a range for its endpoint', { controlPlaneEndpointRange: { from: '10.9.0.2', to: '10.9.0.9' } }, true],
  ['a network that it makes', { network: { name: 'lan', mode: 'nat', addresses: ['10.9.0.0/24'] } }, true],
  ['a pool that it makes', { pool: { name: 'fast', path: '/srv/fast' } }, true],
  [
    'a pool that it makes on one of its hosts',
    { hosts: [{ uri: 'a' }, { uri: 'b', pool: { name: 'x', path: '/x' } }] },
    true,
  ],
])('a LibvirtCluster with %s: it does not move is %j', (_, spec, expected) => {
  expect(hasHostParts({ spec } as unknown as LibvirtCluster)).toBe(expected);
});
