/** Lists the readers that check manifests against the policy of an operator. */

import { posix } from 'node:path';
import fc from 'fast-check';
import { parseImageURI } from '../../src/intent/image.ts';
import { CLUSTER_DEFAULT, Policy } from '../../src/intent/policy.ts';
import { hostIdentity, redactText, redactUri, unattendedUri } from '../../src/libvirt/host-uri.ts';
import { hostileText } from './hostile.ts';
import { asLibvirtReads, hostURI } from './inputs/host-uri.ts';
import { pieces } from './inputs/json.ts';
import { type Reader, reader, require } from './reader.ts';

/** As an operator writes them, and as virsh and the provider get them. */
const HOSTS = ['qemu:///system', 'qemu+ssh://root@rack1/system?keyfile=/k', 'qemu+tcp://[::1]/system'];
const policies = [
  new Policy({ allow: CLUSTER_DEFAULT }),
  new Policy({ allow: `https://,${HOSTS.map((uri) => `host:${uri}`).join(',')}` }),
];
const listedURI = fc
  .tuple(
    fc.constantFrom(
      ...HOSTS,
      'qemu+unix:///system',
      'qemu+ssh://root@RACK1:22/system',
      'qemu+tcp://[0:0::1]:16509/system',
    ),
    fc.constantFrom(
      '',
      '',
      '',
      '?',
      '&',
      '#',
      ';command=/x',
      '?command=/x',
      '&command=/x',
      '%00',
      '/..',
      '/../session',
      '\n',
      '?no_tty=1',
      '@rack2/system',
    ),
  )
  .map((parts) => parts.join(''));
const placeOf = (uri: string) => {
  const { scheme, user, host, path } = asLibvirtReads(uri);
  return [scheme.replace('+unix', ''), user, host.toLowerCase().replace('0:0::1', '::1'), path].join(' ');
};

const URL_PIECES = [
  ...[
    'https://',
    'http://',
    'HTTPS://',
    'https:',
    'https:/\\',
    'file://',
    'images.example.com',
    'IMAGES.example.com',
    'images.example.com.',
    'evil.example.com',
  ],
  ...[
    '/pub/',
    '/pub',
    '/',
    '//',
    '..',
    '.',
    '%2e%2e',
    '%2f',
    '%5c',
    '%00',
    '\\',
    '@',
    ':',
    ':443',
    ':444',
    '?',
    '#',
    ';',
    '\t',
    '\n',
    ' ',
    '。',
    'ｉ',
    '[::1]',
    'xn--',
    'a.qcow2',
  ],
];
const url = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom(...URL_PIECES), { maxLength: 8 }).map((parts) => parts.join('')),
  },
  {
    weight: 3,
    arbitrary: fc
      .array(fc.constantFrom(...URL_PIECES), { maxLength: 6 })
      .map((parts) => `https://images.example.com/pub/${parts.join('')}`),
  },
  { weight: 1, arbitrary: hostileText },
);
const PUBLISHED = new Policy({ allow: 'https://images.example.com/pub/' });

const path = fc.oneof(
  pieces(['/srv/pools', '/', '..', '.', 'a', '//', '\0', '/etc', '/srv/pools2'], 3),
  hostileText,
);
const STORED = new Policy({ allow: 'pool:/srv/pools,volume:images/,disk:data/one' });

export const POLICY_READERS: readonly Reader[] = [
  reader({
    name: 'libvirt URIs',
    runs: 20_000,
    inputs: fc.oneof(
      { weight: 30, arbitrary: hostURI },
      { weight: 5, arbitrary: listedURI },
      { weight: 1, arbitrary: hostileText },
    ),
    read(text) {
      for (const show of [hostIdentity, redactUri, unattendedUri, (uri: string) => redactText(uri, uri)])
        show(text);
      const [first, second] = policies.map((policy) => policy.host(text));
      for (const allowed of [first, second]) {
        if (allowed === undefined) continue;
        require(HOSTS.includes(allowed), `${allowed} is opened, which is not listed`);
        require(placeOf(text) === placeOf(allowed), `${allowed} is opened in place of another host`);
      }
      require(first === undefined || first === HOSTS[0], 'a host is opened that the default does not allow');
      return second === undefined ? 'refused' : 'read';
    },
  }),
  reader({
    name: 'URLs of images and user data',
    runs: 2_000,
    inputs: url,
    read(text) {
      if (!PUBLISHED.url(text)) return 'refused';
      const { protocol, host, pathname } = new URL(text);
      require(protocol === 'https:' &&
        host === 'images.example.com' &&
        `${pathname}/`.startsWith('/pub/'), `${protocol}//${host}${pathname} is fetched`);
      return 'read';
    },
  }),
  reader({
    name: 'paths of pools and names of volumes',
    runs: 2_000,
    inputs: fc.tuple(path, path),
    read([one, another]) {
      const image = parseImageURI(`volume:${one}/${another}`.replaceAll('\n', ''));
      if (image.kind === 'volume' && STORED.image(image.pool, image.volume))
        require(image.pool === 'images', `the pool ${image.pool} is read`);
      if (STORED.disk(one, another)) require(`${one}/${another}` === 'data/one', 'another disk is opened');
      if (!STORED.poolPath(one)) return 'refused';
      require(`${posix.resolve('/', one)}/`.startsWith('/srv/pools/'), `a pool is made in ${one}`);
      return 'read';
    },
  }),
];
