/** Verifies on which host a new machine is placed. */

import { describe, expect, it } from 'vitest';
import type { HostLimits } from '../../src/api/kinds/cluster-provider-spec.ts';
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
  const empty = { machinesMiB: [], machinesVcpu: 0, siblings: 0 };
  return { site, memoryMiB: 8192, freeMemoryMiB: 8192, cpus: 8, ...empty, ...change };
}

function choose(
  candidates: readonly Candidate[],
  memoryMiB = 1024,
  allowOvercommit = false,
  vcpu = 1,
): string {
  const path = 'spec.providerSpec.memoryMiB';
  return choosePlace(candidates, { memoryMiB, vcpu, allowOvercommit, path }).name ?? '';
}

/** A host with limits of its operator. */
function limited(name: string, limits: HostLimits, change: Partial<Candidate> = {}): Candidate {
  const plain = host(name, change);
  return { ...plain, site: { ...plain.site, limits } };
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
  const placed = { uri: 'qemu:///system', memoryMiB: 1024, vcpu: 2, isSibling: true, isLeaving: false };

  it('is no reason to put another elsewhere, and holds its memory until it is gone', () => {
    const leaving = { ...placed, memoryMiB: 512, isLeaving: true };
    expect(occupancy('qemu:///system', [placed, leaving])).toEqual({
      machinesMiB: [1024, 512],
      machinesVcpu: 4,
      siblings: 1,
    });
  });

  it('counts on its own host only, as others do', () => {
    expect(occupancy('qemu+ssh://b/system', [placed])).toEqual({
      machinesMiB: [],
      machinesVcpu: 0,
      siblings: 0,
    });
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

describe('a host that its operator keeps back', () => {
  it('gets no new machine, though it is the emptiest', () => {
    expect(choose([limited('cordoned', { unschedulable: true }), host('full', { siblings: 9 })])).toBe(
      'full',
    );
  });

  it('is waited for if it is the only one, since it may be opened again', () => {
    const error = failure(() => choose([limited('rack1', { unschedulable: true })], 1024, true));
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({
      message: 'no host has 1024 MiB of memory left: rack1 is unschedulable',
      fix: expect.stringMatching(/^set unschedulable: false/),
    });
  });

  it.each<[string, HostLimits, Partial<Candidate>, { memoryMiB?: number; vcpu?: number }, boolean]>([
    ['memory that is reserved', { reserved: { memoryMiB: 4096 } }, {}, { memoryMiB: 5000 }, false],
    ['all but the reserved memory', { reserved: { memoryMiB: 4096 } }, {}, { memoryMiB: 4096 }, true],
    [
      'memory beyond the ratio',
      { overcommit: { memory: 1.5 } },
      { machinesMiB: [8192, 3584] },
      { memoryMiB: 1024 },
      false,
    ],
    [
      'memory up to the ratio, though guests use all that there is',
      { overcommit: { memory: 1.5 } },
      { machinesMiB: [8192], freeMemoryMiB: 10 },
      { memoryMiB: 4096 },
      true,
    ],
    ['more than a ratio below 1', { overcommit: { memory: 0.5 } }, {}, { memoryMiB: 4097 }, false],
    ['vCPUs that are reserved', { reserved: { vcpu: 2 } }, { machinesVcpu: 5 }, { vcpu: 2 }, false],
    ['all but the reserved vCPUs', { reserved: { vcpu: 2 } }, { machinesVcpu: 5 }, { vcpu: 1 }, true],
    ['vCPUs beyond the ratio', { overcommit: { vcpu: 2 } }, { machinesVcpu: 15 }, { vcpu: 2 }, false],
    ['vCPUs up to the ratio', { overcommit: { vcpu: 2 } }, { machinesVcpu: 14 }, { vcpu: 2 }, true],
    ['any number of vCPUs without limits of them', { reserved: { memoryMiB: 1 } }, {}, { vcpu: 512 }, true],
  ])('%s', (_, limits, change, { memoryMiB = 1024, vcpu = 1 }, fits) => {
    const candidates = [limited('rack1', limits, change), limited('other', { unschedulable: true })];
    if (fits) expect(choose(candidates, memoryMiB, false, vcpu)).toBe('rack1');
    else expect(failure(() => choose(candidates, memoryMiB, false, vcpu))).toBeInstanceOf(TransientError);
  });

  it('keeps to its own limits where the Cluster allows overcommitment', () => {
    const candidates = [limited('kept', { reserved: { memoryMiB: 4096 } }, { machinesMiB: [4096] })];
    expect(failure(() => choose(candidates, 1024, true))).toBeInstanceOf(TransientError);
  });

  it('is not waited for by a machine that would not fit if it were empty', () => {
    const error = failure(() => choose([limited('a', { reserved: { vcpu: 6 } })], 1024, false, 4));
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({
      message: 'no host has 1024 MiB of memory and 4 vCPUs left: a has 8192 MiB and 2 vCPUs',
    });
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
