/** Verifies to which workload API servers the controller connects. */

import { describe, expect, it } from 'vitest';
import { type ReservedRange, ServerList } from '../../src/intent/policy/server-list.ts';
import { Policy, UNLIMITED } from '../../src/intent/policy.ts';
import { IpRange } from '../../src/system/network/ip-range.ts';

const OWN: readonly ReservedRange[] = [
  { range: IpRange.of('10.96.0.0/12'), what: 'in the range of Services' },
  { range: IpRange.of('10.244.1.0/24'), what: 'in the pod network' },
  { range: IpRange.of('203.0.113.5'), port: 6443, what: 'an API server of its own' },
];

/** `address`, or `host address`, with `:port` behind; IPv6 in brackets. */
function target(text: string) {
  const [, host, address = '', port = '6443'] = /^(?:(\S+) )?(\[.*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? [];
  const bare = address.replace(/[[\]]/g, '');
  return { host: host ?? bare, address: bare, port: Number(port) };
}

function refusal(list: string, where: string): string | undefined {
  const entries = list.split(' ').filter(Boolean);
  return new ServerList(entries, false).describeRefusal(target(where), OWN);
}

describe('with nothing listed', () => {
  it.each([
    '192.168.122.10',
    '10.0.0.1',
    '172.16.0.1',
    '[fd00::1]',
    '198.51.100.1:443',
    'api.example.com 203.0.113.9',
    '203.0.113.5:443',
    '[64:ff9b::198.51.100.1]',
  ])('the controller connects to %s', (where) => {
    expect(refusal('', where)).toBeUndefined();
  });

  it.each([
    ['127.0.0.1', 'a loopback address'],
    ['localhost 127.0.0.1', 'a loopback address'],
    ['rebound.example.com 127.9.9.9', 'a loopback address'],
    ['[::1]', 'a loopback address'],
    ['[::ffff:127.0.0.1]', 'a loopback address'],
    ['[64:ff9b::7f00:1]', 'a loopback address'],
    ['[2002:7f00:1::]', 'an address of a tunnel'],
    ['[::127.0.0.1]', 'an address of a tunnel'],
    ['169.254.169.254:80', 'a link-local address'],
    ['[fe80::1%eth0]', 'a link-local address'],
    ['[fd00:ec2::254]', 'the metadata service of a cloud'],
    ['100.100.100.200', 'the metadata service of a cloud'],
    ['0.0.0.0', 'an unspecified address'],
    ['[::]', 'an unspecified address'],
    ['224.0.0.1', 'a multicast address'],
    ['[ff02::1]', 'a multicast address'],
    ['255.255.255.255', 'a reserved address'],
    ['10.96.0.1:443', 'in the range of Services'],
    ['kubernetes.default.svc 10.111.3.4', 'in the range of Services'],
    ['10.244.1.7', 'in the pod network'],
    ['203.0.113.5:6443', 'an API server of its own'],
  ])('it does not connect to %s', (where, what) => {
    expect(refusal('', where)).toBe(`it is ${what}`);
  });
});

describe('with a list', () => {
  it.each([
    ['127.0.0.0/8', '127.0.0.1'],
    ['127.0.0.1:6443', '127.0.0.1:6443'],
    ['[::1]:6443', '[::1]:6443'],
    ['::1', '[::1]'],
    ['127.0.0.0/8', '[::ffff:127.0.0.1]'],
    ['10.244.1.0/24', '10.244.1.7'],
    ['203.0.113.5', '203.0.113.5:6443'],
    ['192.168.0.0/16 10.0.0.0/8', '10.1.2.3'],
    ['*.example.com', 'a.b.example.com 198.51.100.1'],
    ['API.example.com:6443', 'api.EXAMPLE.com. 198.51.100.1:6443'],
    ['*.example.com 127.0.0.0/8', 'a.example.com 127.0.0.1'],
  ])('%s allows %s', (list, where) => {
    expect(refusal(list, where)).toBeUndefined();
  });

  it.each([
    ['192.168.0.0/16', '10.1.2.3'],
    ['192.168.0.0/16:6443', '192.168.1.1:443'],
    ['127.0.0.1:6443', '127.0.0.1:22'],
    ['api.example.com', 'api.example.com.evil.org 198.51.100.1'],
    ['*.example.com', 'evilexample.com 198.51.100.1'],
    ['*.example.com', 'example.com 198.51.100.1'],
    // Names are what DNS makes of them.
    ['*.example.com', 'a.example.com 169.254.169.254'],
    ['api.example.com', 'api.example.com 10.96.0.1'],
    // A wide range is no word for what is reserved in it.
    ['0.0.0.0/0 ::/0', '127.0.0.1'],
    ['0.0.0.0/0 ::/0', '[64:ff9b::7f00:1]'],
    ['10.0.0.0/8', '10.96.0.1'],
    ['10.0.0.0/8', '10.244.1.7'],
    ['203.0.113.0/24', '203.0.113.5:6443'],
  ])('%s does not allow %s', (list, where) => {
    expect(refusal(list, where)).toBeTypeOf('string');
  });

  it.each([
    '',
    '10.0.0',
    '10.0.0.0/33',
    'host:0',
    'host:65536',
    'host:port',
    '[api]',
    '[::1',
    'a b',
    'https://api',
    '-a',
    '*',
    '*.',
  ])('"workload:%s" stops the controller, and does not stand for nothing', (entry) => {
    expect(() => new Policy({ allow: `https://,workload:${entry}` })).toThrow(
      expect.objectContaining({ code: 'InvalidConfiguration', path: '--allow' }),
    );
  });
});

it('the list is part of --allow, and one’s own manifests may name every server', () => {
  const loopback = target('127.0.0.1');
  expect(new Policy({ allow: 'https://' }).servers.describeRefusal(loopback)).toBeTypeOf('string');
  expect(
    new Policy({ allow: 'https://, workload:127.0.0.0/8' }).servers.describeRefusal(loopback),
  ).toBeUndefined();
  expect(UNLIMITED.servers.describeRefusal(loopback, OWN)).toBeUndefined();
});
