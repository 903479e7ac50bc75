/** Generates libvirt URIs of all kinds, and reads them as libvirt and the Terraform provider do. */

import fc from 'fast-check';

/** A URI as libvirt reads it (libxml2's xmlParseURI, virURIParseParams, and remote_driver.c, which ignores the case of names). */
export function asLibvirtReads(text: string) {
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
export function asGoReads(text: string): [string, string][] {
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
const anyURI = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 3 })), { maxLength: 14 })
  .map((parts) => parts.join(''));
/** Mostly accepted, so that the property is about something. */
const plausibleURI = fc
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

export const hostURI = fc.oneof(anyURI, plausibleURI);
