import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatHostURI,
  type HostURI,
  hostIdentity,
  isProblem,
  parseHostURI,
} from '../../src/libvirt/host-uri.ts';

function read(text: string): HostURI {
  const parts = parseHostURI(text);
  if (isProblem(parts)) throw new Error(`${text}: ${parts.message}`);
  return parts;
}

const textOf = (text: string) => formatHostURI(read(text));

/** A URI as libvirt reads it (libxml2's xmlParseURI, virURIParseParams, and remote_driver.c, which ignores the case of names). */
function asLibvirtReads(text: string) {
  const [, scheme = '', , authority = '', path = '', , query, , fragment] =
    /^(?:([^:/?#]+):)?(\/\/([^/?#]*))?([^?#]*)(\?([^#]*))?(#(.*))?$/s.exec(text) ?? [];
  const [, user = '', host = '', port] = /^(?:(.*)@)?(.*?)(?::(\d*))?$/s.exec(authority) ?? [];
  const parameters: [string, string][] = [];
  for (const one of (query ?? '').split(/[&;]/)) {
    const [name = '', ...value] = one.split('=');
    if (one !== '' && name !== '') parameters.push([decoded(name).toLowerCase(), decoded(value.join('='))]);
  }
  return { scheme, user: decoded(user), host, port, path: decoded(path), parameters, fragment };
}

/** The parameters as the provider reads them: Go's net/url, which leaves out what holds `;` and takes `+` for a space. */
function asGoReads(text: string): [string, string][] {
  const [, query = ''] = text.split(/\?(.*)/s);
  return query
    .split('&')
    .filter((one) => one !== '' && !one.includes(';'))
    .map((one) => one.split(/=(.*)/s).slice(0, 2))
    .map(([name = '', value = '']) => [decoded(name), decoded(value.replaceAll('+', ' '))]);
}

function decoded(text: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

const PIECES = [
  ...[
    'qemu',
    'test',
    '+ssh',
    '+tcp',
    '+unix',
    '+tls',
    '+ext',
    '://',
    ':',
    '/',
    '//',
    '/system',
    '/session',
    '/default',
  ],
  ...[
    'root@',
    'a:b@',
    '-oX@',
    'rack1',
    'Rack1.example.com',
    '[::1]',
    '[0:0::1]',
    '127.0.0.1',
    ':22',
    ':16509',
    ':0',
  ],
  ...['?', '&', ';', '=', '#', '%', '%3B', '%26', '%2F', '%00', '+', ' ', '..', '@', '\\', '\n', 'ü'],
  ...[
    'keyfile',
    'KeyFile',
    'command',
    'netcat',
    'name',
    'socket',
    'no_tty',
    'pkipath',
    'authfile',
    'no_verify',
  ],
  ...['=/k', '=1', '=/a/../b', '=/a%2Fb', '=test:///default', '=-x', '=sh', '=normal', '=agent,privkey'],
];
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 3 })), { maxLength: 14 })
  .map((parts) => parts.join(''));
/** Mostly accepted, so that the property is about something. */
const plausible = fc
  .tuple(
    fc.constantFrom('qemu+ssh://root@Rack1:22', 'qemu+tcp://[0:0::1]', 'qemu+unix://', 'qemu://', 'test://'),
    fc.constantFrom('/system', '/session', '/default', '/a/b.xml', '/'),
    fc.array(
      fc.constantFrom(
        'keyfile=/k',
        'socket=/a%2Fb',
        'no_tty=1',
        'netcat=nc',
        'sshauth=agent,privkey',
        'mode=auto',
      ),
      { maxLength: 3 },
    ),
    fc.constantFrom(
      '',
      '',
      '',
      ';command=/x',
      '&command=/x',
      '#',
      '&',
      '%3Bcommand=/x',
      '&Command=/x',
      '&name=x',
    ),
  )
  .map(
    ([place, path, parameters, more]) =>
      `${place}${path}${parameters.length ? '?' : ''}${parameters.join('&')}${more}`,
  );

describe('what is accepted', () => {
  it('is read by libvirt and by the provider as it is read here, and so is the text that they get', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.oneof(hostile, plausible), (text) => {
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
