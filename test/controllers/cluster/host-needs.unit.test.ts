/** Verifies that a Cluster is reconciled within seconds when its host is back. */

import { expect, it } from 'vitest';
import { hostNeeds, untilThere } from '../../../src/controllers/cluster/host-needs.ts';
import { type CaplvError, TerminalError, TransientError } from '../../../src/errors.ts';

const site = (uri: string) => ({ uri, network: { name: 'lan' }, pool: { name: 'fast' } });
const SITES = [site('qemu+ssh://a/system'), site('qemu+ssh://b/system')];
const error = { message: 'it fails' };

it.each<[string, CaplvError, object[]]>([
  ['a host that is silent', new TransientError({ ...error, code: 'LibvirtUnreachable' }), [{ what: 'host' }]],
  ['a libvirt URI that cannot be used', new TerminalError({ ...error, code: 'LibvirtUnreachable' }), []],
  ['a network', new TerminalError({ ...error, code: 'NetworkNotFound' }), [{ what: 'network', name: 'lan' }]],
  ['a pool', new TransientError({ ...error, code: 'PoolNotFound' }), [{ what: 'pool', name: 'fast' }]],
  ['a network that is not its own', new TerminalError({ ...error, code: 'NotOwned' }), []],
])('%s is waited for, or not', (_, failure, needs) => {
  const uri = 'qemu+ssh://a/system';
  expect(hostNeeds(new Map([[uri, failure]]), SITES)).toEqual(needs.map((need) => ({ ...need, uri })));
});

it('what an error itself waits for counts, also where it is of no host in particular', () => {
  const need = { what: 'network', uri: 'qemu+ssh://a/system', name: 'dmz' } as const;
  const missing = { kind: 'onHost', anyOf: [need] } as const;
  const failure = new TransientError({ ...error, code: 'NetworkNotFound', missing });
  expect(hostNeeds(new Map([['', failure]]), SITES)).toEqual([need]);
});

it('of several hosts the first that is back ends the wait', () => {
  const silent = () => new TransientError({ ...error, code: 'LibvirtUnreachable', fix: 'start it' });
  const failures = new Map(SITES.map(({ uri }) => [uri, silent()]));
  const needs = hostNeeds(failures, SITES);
  expect(needs).toHaveLength(2);
  const waiting = untilThere(silent(), needs);
  expect(waiting).toBeInstanceOf(TransientError);
  expect(waiting).toMatchObject({ code: 'LibvirtUnreachable', fix: 'start it', missing: { anyOf: needs } });
  const own = new TerminalError({ ...error, code: 'NotOwned' });
  expect(untilThere(own, [])).toBe(own);
});
