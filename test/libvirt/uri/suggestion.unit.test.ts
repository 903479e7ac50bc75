/** Verifies which libvirt URI is suggested in place of a mistyped one. */

import { describe, expect, it } from 'vitest';
import { isProblem, parseHostURI } from '../../../src/libvirt/host-uri.ts';

function fixOf(text: string): string {
  const read = parseHostURI(text);
  return isProblem(read) ? read.fix : 'none: it is accepted';
}

describe('who mistypes a libvirt URI is told which was probably meant', () => {
  it.each([
    ['qemu:/system', 'qemu:///system'],
    ['qemu//system', 'qemu:///system'],
    ['qemu///system', 'qemu:///system'],
    ['qemu:////system', 'qemu:///system'],
    ['qemu:system', 'qemu:///system'],
    ['qemu;///system', 'qemu:///system'],
    ['QEMU:///System', 'qemu:///system'],
    ['quemu:///system', 'qemu:///system'],
    ['qemu:///sytem', 'qemu:///system'],
    ['qemu:///sesion', 'qemu:///session'],
    ['qemu://', 'qemu:///system'],
    ['kvm:///system', 'qemu:///system'],
    ['libvirt:///system', 'qemu:///system'],
    [' qemu:///system', 'qemu:///system'],
    ['qemu+unix://system', 'qemu:///system'],
    ['qemu:/system?socket=/run/a', 'qemu:///system?socket=/run/a'],
    ['qemu+shh://root@rack1/system', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh//root@rack1/system', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh:/root@rack1/system', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh:///root@rack1/system', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh://root@rack1', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh://root@rack1/', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh://root@rack1:/system', 'qemu+ssh://root@rack1/system'],
    ['qemu+ssh://root@rack1:2222/sytem?keyfile=/k', 'qemu+ssh://root@rack1:2222/system?keyfile=/k'],
    ['ssh://root@rack1/system', 'qemu+ssh://root@rack1/system'],
    ['ssh://root@rack1', 'qemu+ssh://root@rack1/system'],
    ['qemu+tpc://rack1/system', 'qemu+tcp://rack1/system'],
  ])('%s', (typed, meant) => {
    expect(fixOf(typed)).toBe(`did you mean ${meant}?`);
  });
});

describe('nothing is suggested for', () => {
  it.each([
    ['another hypervisor', 'xen:///system'],
    ['no URI at all', 'rack1'],
    ['a host alone', 'root@rack1'],
    ['an empty text', ''],
    ['a host that no suggestion mends', 'qemu+ssh://ro ot@rack1/system'],
    ['a parameter that cannot be used', 'qemu:/system?no=1'],
    ['a path below the path', 'qemu+ssh://root@rack1/system/images'],
    ['a text of any length', `qemu${'/'.repeat(100_000)}`],
  ])('%s', (_, typed) => {
    expect(fixOf(typed)).toBe('use qemu:///system, qemu+ssh://USER@HOST/system or qemu+tcp://HOST/system');
  });

  it.each([
    ['a password', 'qemu+ssh://root:secret@rack1/system', /^use a key/],
    ['TLS', 'qemu://rack1/system', /^use qemu\+ssh/],
  ])('%s, which has its own fix', (_, typed, fix) => {
    expect(fixOf(typed)).toMatch(fix);
  });

  it('a password in a mistyped URI, which is not repeated', () => {
    expect(fixOf('qemu+shh://root:secret@rack1/system')).not.toContain('secret');
  });
});
