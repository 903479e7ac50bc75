/** Verifies that a disk to delete is named together with its machine. */

import { expect, it } from 'vitest';
import { NamedDisks } from '../../../src/cli/session/named-disks.ts';

const node = { namespace: 'default', name: 'node' };

it('a disk is named with its machine, so that no other of that name goes with it', () => {
  const disks = new NamedDisks(['node/data', 'node/root', 'prod/node/logs', 'other/data'], 'default');
  expect(disks.of(node)).toEqual(['data', 'root']);
  expect(disks.of({ namespace: 'prod', name: 'node' })).toEqual(['logs']);
  expect(disks.of({ namespace: 'prod', name: 'other' })).toEqual([]);
});

it.each(['data', '/data', 'node/', 'a/b/c/d', ''])('%j is refused before anything runs', (text) => {
  expect(() => new NamedDisks([text], 'default')).toThrow(/names no disk of a Machine/);
});

it('a machine that is not applied is most likely a slip', () => {
  expect(() => new NamedDisks(['nod/data'], 'default').requireAmong([node])).toThrow(/have no Machine "nod"/);
  expect(() => new NamedDisks(['node/data'], 'default').requireAmong([node])).not.toThrow();
});
