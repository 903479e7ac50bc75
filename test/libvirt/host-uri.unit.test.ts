/** Verifies which libvirt URIs are accepted, and which of them are the same host. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatHostURI,
  type HostURI,
  hostIdentity,
  isProblem,
  parseHostURI,
} from '../../src/libvirt/host-uri.ts';
import { asGoReads, asLibvirtReads, hostURI } from '../fuzz/inputs/host-uri.ts';

function read(text: string): HostURI {
  const parts = parseHostURI(text);
  if (isProblem(parts)) throw new Error(`${text}: ${parts.message}`);
  return parts;
}

const textOf = (text: string) => formatHostURI(read(text));

describe('what is accepted', () => {
  it('is parsed by libvirt and by the provider as here, and so is the text that they get', () => {
    let accepted = 0;
    fc.assert(
      fc.property(hostURI, (text) => {
        const parts = parseHostURI(text);
        if (isProblem(parts)) return;
        accepted += 1;
        const built = formatHostURI(parts);
        for (const one of [text, built]) {
          const libvirt = asLibvirtReads(one);
          expect(libvirt.scheme.replace('+unix', '')).toBe(
            `${parts.driver}${parts.transport && `+${parts.transport}`}`,
          );
          expect([libvirt.user, libvirt.path, libvirt.fragment]).toEqual([parts.user, parts.path, undefined]);
          expect(new Map(libvirt.parameters)).toEqual(parts.parameters);
          expect(libvirt.parameters).toHaveLength(parts.parameters.size);
          expect(new Map(asGoReads(one))).toEqual(parts.parameters);
        }
        const libvirt = asLibvirtReads(built);
        expect(libvirt.host).toBe(parts.host.includes(':') ? `[${parts.host}]` : parts.host);
        expect(libvirt.port).toBe(parts.port === undefined ? undefined : String(parts.port));
        expect(read(built)).toEqual(parts);
        expect(formatHostURI(read(built))).toBe(built);
      }),
      { numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(1_000);
  });

  it.each([
    'qemu:///system',
    'qemu:///session',
    'qemu+unix:///system?socket=/tmp/lab/libvirt-sock',
    'qemu+ssh://root@rack1.example.com/system?keyfile=/etc/caplv/id_ed25519&knownhosts=/etc/caplv/known_hosts',
    'qemu+ssh://root@rack1:2222/system?command=/opt/ssh',
    'qemu+tcp://[2001:db8::1]/system',
    'test:///default',
  ])('%s keeps its text, so that states of earlier versions are found', (text) => {
    expect(textOf(text)).toBe(text);
  });

  it.each([
    ['qemu+ssh://root@Rack1:22/system', 'qemu+ssh://root@rack1/system'],
    ['qemu+unix:///system', 'qemu:///system'],
    ['qemu:///system?socket=/run/x', 'qemu+unix:///system?socket=/run/x'],
    ['qemu+ssh://h/system?no_tty=1&keyfile=%2Fk', 'qemu+ssh://h/system?keyfile=/k&no_tty=1'],
    ['qemu+tcp://[0:0::1]:16509/system', 'qemu+tcp://[::1]/system'],
  ])('%s is another spelling of %s', (spelling, text) => {
    expect(textOf(spelling)).toBe(text);
  });

  it('has paths as long as Linux takes them', () => {
    const uri = (length: number) => `qemu+ssh://rack1/system?keyfile=${'/k'.padEnd(length, 'k')}`;
    expect(isProblem(parseHostURI(uri(4_096)))).toBe(false);
    expect(parseHostURI(uri(4_097))).toHaveProperty(
      'message',
      'the value of the parameter keyfile cannot be used',
    );
  });

  it('is one host whatever says how to reach it', () => {
    expect(hostIdentity('qemu+ssh://root@RACK1/system?keyfile=/k')).toBe('qemu+ssh://root@rack1/system');
    expect(hostIdentity('qemu:///system?socket=/a')).not.toBe(hostIdentity('qemu:///system?socket=/b'));
  });
});

it.each([
  'qemu+ssh://root@rack1/system?no_tty=1;command=/opt/program',
  'qemu+ssh://root@rack1/system?keyfile=/k%3Bcommand=/opt/program',
  'qemu+ssh://root@rack1/system?Command=/opt/program',
  'qemu+ssh://root@rack1/system?name=test:///etc/hostname',
  'qemu+ssh://root@rack1/system?pkipath=/k',
  'qemu+ssh://root@rack1/system?keyfile=/k&keyfile=/l',
  'qemu+ssh://root@rack1/system?keyfile=k',
  'qemu+ssh://root@rack1/system?keyfile=/a/../k',
  'qemu+ssh://root@rack1/system?',
  'qemu+ssh://root@rack1/system#a',
  'qemu+ssh://-oProxyCommand@rack1/system',
  'qemu+ssh://-oProxyCommand/system',
  'qemu+ssh://root@rack1/embed',
  'qemu+ssh:///system',
  'qemu+tls://rack1/system',
  'qemu://rack1/system',
  'qemu+unix://rack1/system',
  'qemu+ssh://root:hunter2@rack1/system',
  'qemu+ssh://root@rack1:0/system',
  'test+ssh://rack1/default',
  'lxc:///system',
])('%s is not accepted', (text) => {
  expect(isProblem(parseHostURI(text))).toBe(true);
});
