/** Verifies on which host a new machine is placed. */

import { describe, expect, it } from 'vitest';
import { TerminalError, TransientError } from '../../src/errors.ts';
import { type Candidate, choosePlace, occupancy } from '../../src/intent/placement.ts';
import { hostAt } from '../lab/host-uri.ts';

/** A host of 8 GiB of which all is free. */
function host(name: string, change: Partial<Candidate> = {}, failureDomain?: string): Candidate {
  const site = {
    name,
    uri: hostAt(`qemu+ssh://${name}/system`),
    network: { name: 'default' },
    pool: { name: 'default' },
    failureDomain,
  };
  return { site, memoryMiB: 8192, freeMemoryMiB: 8192, machinesMiB: [], siblings: 0, ...change };
}

function choose(candidates: readonly Candidate[], memoryMiB = 1024, allowOvercommit = false): string {
  return (
    choosePlace(candidates, { memoryMiB, allowOvercommit, path: 'spec.providerSpec.memoryMiB' }).name ?? ''
  );
}

describe('a new machine', () => {
  it('goes where most memory is free', () => {
    expect(choose([host('a', { freeMemoryMiB: 4096 }), host('b')])).toBe('b');
  });

  it('goes to the host with the fewest machines of its Cluster, though another has more memory', () => {
    expect(choose([host('large', { siblings: 1 }), host('small', { memoryMiB: 2048 })])).toBe('small');
  });

  it('goes to the emptier failure domain first, then to the emptier host in it', () => {
    const a1 = host('a1', { siblings: 2 }, 'a');
    const a2 = host('a2', { siblings: 0 }, 'a');
    const b1 = host('b1', { siblings: 1 }, 'b');
    const b2 = host('b2', { siblings: 0, freeMemoryMiB: 2048 }, 'b');
    expect(choose([a1, a2, b1, b2])).toBe('b2');
  });

  it('goes elsewhere after it could not be made on the best host, and back there when nothing else has room', () => {
    const tried = host('tried', { wasTried: true });
    expect(choose([tried, host('full', { siblings: 5, freeMemoryMiB: 2048 })])).toBe('full');
    expect(choose([tried, host('full', { freeMemoryMiB: 512 })])).toBe('tried');
  });

  it('goes to the same host whatever the order in which hosts are given', () => {
    expect(choose([host('b'), host('a')])).toBe(choose([host('a'), host('b')]));
  });
});

describe('a machine that is being deleted', () => {
  const placed = { uri: 'qemu:///system', memoryMiB: 1024, isSibling: true, isLeaving: false };

  it('is no reason to put another elsewhere, and holds its memory until it is gone', () => {
    const leaving = { ...placed, memoryMiB: 512, isLeaving: true };
    expect(occupancy('qemu:///system', [placed, leaving])).toEqual({ machinesMiB: [1024, 512], siblings: 1 });
  });

  it('counts on its own host only, as others do', () => {
    expect(occupancy('qemu+ssh://b/system', [placed])).toEqual({ machinesMiB: [], siblings: 0 });
  });
});

describe('memory', () => {
  it('that is promised to guests which have not used it yet is not free', () => {
    const promised = host('promised', { machinesMiB: [4096, 3584] });
    expect(choose([promised, host('used', { freeMemoryMiB: 1500 })])).toBe('used');
  });

  it('of a full host is not overcommitted, and the error tells how much each has', () => {
    const error = failure(() =>
      choose([host('a', { freeMemoryMiB: 512 }), host('b', { machinesMiB: [8000] })]),
    );
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({
      code: 'InsufficientCapacity',
      message: 'no host has 1024 MiB of memory left: a has 512 MiB, b has 192 MiB',
    });
  });

  it('is overcommitted where the Cluster allows it', () => {
    expect(choose([host('a', { machinesMiB: [8192] }), host('b', { machinesMiB: [9000] })], 1024, true)).toBe(
      'a',
    );
  });

  it('that no host has even when it is empty is not waited for', () => {
    expect(failure(() => choose([host('a')], 16_384))).toBeInstanceOf(TerminalError);
  });
});

function failure(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}
