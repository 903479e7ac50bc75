/** Kinds of field that several types share. Units, forms and limits are said here once. */

import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { isCIDR } from '../../system/network/cidr.ts';
import { withRules } from './rule.ts';

/** A string with a form: `pattern` for machines, `form` for people ("a MAC address, for example …"). */
export function text(pattern: RegExp, form: string, maxLength = 253): z.ZodString {
  return z.string().max(maxLength).regex(pattern).meta({ form });
}

/** For patterns: characters that no name of ours has. They mislead parsers and terminals, and XML has no place for them. */
export const CONTROLS = String.raw`\x00-\x1f\x7f`;

const CHANGED = {
  message: 'Terraform and libvirt would read this as another text',
  fix: 'write letters with their accents as one character each (Unicode NFC)',
};

/**
 * Text that libvirt gets by way of Terraform and XML: the one writes accents in one way only, the other lacks some characters.
 * What they would change is refused, since it would name something else.
 */
export function libvirtText(pattern: RegExp, form: string, maxLength: number): z.ZodString {
  return withRules(text(pattern, form, maxLength), [
    {
      fields: [],
      ...CHANGED,
      // CEL knows no normal forms.
      cel: "!self.matches('[\\\\x{fffe}\\\\x{ffff}]')",
      check: staysAsItIs,
    },
  ]);
}

function staysAsItIs(text: string): boolean {
  return text.isWellFormed() && text === text.normalize('NFC') && !/[\ufffe\uffff]/.test(text);
}

/** A name as Kubernetes wants it: the host part of a DNS name. */
export function dnsLabel(): z.ZodString {
  return text(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'lower-case letters, digits and "-", beginning and ending with a letter or digit, for example data-1',
    63,
  );
}

export const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** A name of something in libvirt: pool, network, bridge, device. */
export function libvirtName(): z.ZodString {
  return text(
    /^[A-Za-z0-9_][A-Za-z0-9_.+:-]*$/,
    'a name of letters, digits and "_.+:-", for example default',
    128,
  );
}

/** A connection URI of libvirt. Passwords do not belong in it: it is shown in status and logs. */
export function libvirtURI(): z.ZodString {
  return withRules(
    text(
      // With the characters that RFC 3986 has: libvirt reads no others.
      /^(qemu|test)(\+(unix|ssh|tcp|tls))?:\/\/[A-Za-z0-9!#$%&'()*+,./:;=?@[\]_~-]+$/,
      'a libvirt URI: qemu:///system, qemu+ssh://USER@HOST/system, qemu+tcp://… or qemu+unix://…',
      1024,
    ),
    [
      {
        fields: [],
        message: 'qemu+tls hangs: the Terraform provider 0.8.3 cannot speak it',
        fix: 'use qemu+ssh, or qemu+tcp in a network of its own',
        cel: "!self.startsWith('qemu+tls:')",
        check: (uri) => !uri.startsWith('qemu+tls:'),
      },
      {
        fields: [],
        message: 'a URI must not hold a password',
        fix: 'use a key: qemu+ssh://USER@HOST/system?keyfile=/path/to/key',
        cel: "!self.matches('^[^/]*//[^/]*:[^/]*@')",
        check: (uri) => !/^[^/]*\/\/[^/]*:[^/]*@/.test(uri),
      },
    ],
  );
}

/** Where a file comes from: an absolute path, file:, http: or https:. A manifest may use a path relative to itself. */
export function fileURI(example: string): z.ZodString {
  return readableURI(
    text(
      new RegExp(String.raw`^(\/|file:(\/\/)?\/[^/\s]|https?:\/\/[^/\s])[^${CONTROLS}]*$`),
      `an absolute path, file:///…, http://… or https://…, for example ${example}`,
      4096,
    ),
  ).meta({ file: true });
}

/** With what makes a URI one that `new URL` and the file system can do something with. */
export function readableURI(schema: z.ZodString): z.ZodString {
  return withRules(schema, [
    {
      fields: [],
      message: 'this is no URI that can be read',
      fix: 'write a % in it as %25, and check its host',
      cel: "!self.matches('^(file|https?):') || self.matches('^([^%]|%[0-9A-Fa-f]{2})*$')",
      check: isReadable,
    },
    {
      fields: [],
      message:
        'a URL must not hold a user or password: it is shown in status and logs, and nothing logs in with it',
      fix: 'take what is before the @ out, and serve the file to this network without it, or by a URL that is signed for a time',
      cel: "!self.matches('^https?://[^/?#]*@')",
      check: (uri) => !holdsUser(uri),
    },
    {
      fields: [],
      ...CHANGED,
      cel: "!self.startsWith('volume:') || !self.matches('[\\\\x{fffe}\\\\x{ffff}]')",
      // Files and URLs go to Terraform encoded.
      check: (uri) => (uri.startsWith('volume:') ? staysAsItIs(uri) : uri.isWellFormed()),
    },
  ]);
}

/** As the text has it, and as `fetch` reads it, to which a backslash is a slash. */
function holdsUser(uri: string): boolean {
  if (!/^https?:/i.test(uri)) return false;
  if (/^https?:\/\/[^/?#]*@/i.test(uri)) return true;
  return URL.canParse(uri) && new URL(uri).username + new URL(uri).password !== '';
}

function isReadable(uri: string): boolean {
  if (!/^(file|https?):/.test(uri)) return true;
  try {
    const url = new URL(uri);
    const path = url.protocol === 'file:' ? fileURLToPath(url) : decodeURIComponent(url.pathname);
    return !path.includes('\0') && /^([^%]|%[0-9A-Fa-f]{2})*$/.test(uri);
  } catch {
    return false;
  }
}

/** Secret text: never shown, never substituted. At most 1 MiB, more than a Secret or etcd takes. */
export function secretText(): z.ZodString {
  return withRules(z.string().min(1).max(1_048_576), [
    {
      fields: [],
      message: 'this stands for a value that was hidden when the object was shown',
      fix: 'put the value itself here',
      cel: "!self.startsWith('(hidden, ')",
      check: (secret) => !/^\(hidden, \d+ bytes\)$/.test(secret),
    },
  ]).meta({ sensitive: true });
}

/** IPv4 or IPv6 address. */
export function ipAddress(): z.ZodString {
  return withRules(z.string().max(45).meta({ form: 'an IP address, for example 192.168.122.10' }), [
    {
      fields: [],
      message: 'this is not an IP address',
      fix: 'use an IPv4 or IPv6 address without a prefix length, for example 192.168.122.10',
      cel: 'isIP(self)',
      check: (address) => isIP(address) !== 0 && !address.includes('%'),
    },
  ]);
}

/** IPv4 or IPv6 address, with or without the length of the prefix of its network. */
export function interfaceAddress(): z.ZodString {
  return withRules(
    z.string().max(49).meta({ form: 'an IP address, for example 192.168.122.10 or 10.17.3.10/24' }),
    [
      {
        fields: [],
        message: 'this is not an IP address',
        fix: 'use an IPv4 or IPv6 address, for example 192.168.122.10, or 10.17.3.10/24 with the length of its prefix',
        cel: 'isIP(self) || isCIDR(self)',
        check: (address) => !address.includes('%') && (isIP(address) !== 0 || isCIDR(address)),
      },
      {
        fields: [],
        message: 'no interface of a guest can have this address',
        fix: 'use a unicast address, for example 10.17.3.10/24',
        cel: "!self.contains('/') || !self.matches('^(0|127|22[4-9]|2[345][0-9])[.]|^[fF][fF]|^[0:]+1?/|/0$')",
        check: (address) => !isCIDR(address) || isUnicastAddress(address),
      },
    ],
  );
}

/** True if a guest can have the address, which has a prefix. */
export function isUnicastAddress(address: string): boolean {
  const [own = '', prefix] = address.split('/');
  if (prefix === '0') return false;
  return isIP(own) === 4 ? !/^(0|127|22[4-9]|2[345]\d)\./.test(own) : !/^ff|^[0:]+1?$/i.test(own);
}

/** IPv4 or IPv6 network in CIDR notation. */
export function cidr(example: string): z.ZodString {
  return withRules(
    z
      .string()
      .max(49)
      .meta({ form: `a network in CIDR notation, for example ${example}` }),
    [
      {
        fields: [],
        message: 'this is not a network in CIDR notation',
        fix: `use ADDRESS/PREFIX, for example ${example}`,
        cel: 'isCIDR(self)',
        check: isCIDR,
      },
    ],
  );
}

/** A length of time as src/duration.ts reads it. */
export function duration(example: string): z.ZodString {
  return text(/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/, `a duration, for example ${example}`, 32);
}

/** Point in time, RFC 3339. */
export function timestamp(): z.ZodString {
  return z.string().meta({ format: 'date-time' });
}

const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** CEL rules over labels need a limit: the API server counts with the largest number that there may be. */
const MAX_LABELS = 64;

/** Labels as Kubernetes takes them. */
export function labels() {
  const key = text(QUALIFIED_NAME, 'a label name, for example cluster-api.k8s.io/cluster-name', 317);
  const value = z
    .string()
    .max(63)
    .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/)
    .meta({ form: 'a label value: letters, digits and "-_.", for example workers' });
  return z
    .record(key, value)
    .refine((all) => Object.keys(all).length <= MAX_LABELS, {
      message: `there are more than ${MAX_LABELS} labels`,
      params: { fix: 'use annotations for what is not selected by' },
    })
    .meta({ maxProperties: MAX_LABELS });
}

/** Annotations: names as labels have them, values free. */
export function annotations() {
  return z.record(text(QUALIFIED_NAME, 'an annotation name, for example example.com/note', 317), z.string());
}
