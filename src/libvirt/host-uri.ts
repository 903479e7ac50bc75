/**
 * Parses libvirt connection URIs, and formats them again from their parts. virsh and the Terraform provider get the text that
 * `formatHostURI` builds, never the text of a manifest: libvirt, libxml2, Go and Node each parse an unusual URI in their own way
 * (libvirt divides a query at `;` too, ignores the case of parameters, and lets `name` replace the whole URI). So only URIs that
 * all of them parse alike are accepted.
 */

import { posix } from 'node:path';
import { suggestURI } from './uri/suggestion.ts';

/** `transport` empty: the libvirtd of this machine. `host` of IPv6 is without brackets. */
export interface HostURI {
  readonly driver: 'qemu' | 'test';
  readonly transport: '' | 'ssh' | 'tcp';
  readonly user: string;
  readonly host: string;
  /** Undefined: the default port of the transport. */
  readonly port: number | undefined;
  /** Of `qemu`: `/system` or `/session`. Of `test`: `/default`, or a file of this machine. */
  readonly path: string;
  /** By name, in the order of the names. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Explains why a text is not accepted, and what would be. */
export interface HostURIProblem {
  readonly message: string;
  readonly fix: string;
}

const FORMS = 'use qemu:///system, qemu+ssh://USER@HOST/system or qemu+tcp://HOST/system';
const DEFAULT_PORTS = { ssh: 22, tcp: 16_509 } as const;

/** No name or value begins with `-`: ssh would take it for an option. */
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;
const FILE = /^\/[A-Za-z0-9_.,:@~/-]*$/;

/** Characters of a path that Linux takes; to normalize a longer one takes the square of its length. */
const PATH_CHARACTERS = 4_096;

const isFile = (value: string) =>
  value.length <= PATH_CHARACTERS && FILE.test(value) && posix.normalize(value) === value;
const oneOf =
  (...values: readonly string[]) =>
  (value: string) =>
    values.includes(value);
const isProgram = (value: string) => /^[A-Za-z0-9_/][A-Za-z0-9_./-]*$/.test(value);

/** Lists the accepted parameters with their values. The policy decides who may use them. */
const PARAMETERS: Readonly<Record<string, (value: string) => boolean>> = {
  command: isProgram,
  keyfile: isFile,
  known_hosts: isFile,
  known_hosts_verify: oneOf('normal', 'auto', 'ignore'),
  knownhosts: isFile,
  mode: oneOf('auto', 'legacy', 'direct'),
  netcat: isProgram,
  no_tty: oneOf('0', '1'),
  no_verify: oneOf('0', '1'),
  proxy: oneOf('auto', 'netcat', 'native'),
  socket: isFile,
  sshauth: (value) => /^[a-z]([a-z,-]*[a-z])?$/.test(value),
};

/** Parses a URI, or returns why it is not accepted, and which was probably meant. */
export function parseHostURI(text: string): HostURI | HostURIProblem {
  const read = parseParts(text);
  if (!isProblem(read) || read.fix !== FORMS) return read;
  const meant = suggestURI(text, (uri) => !isProblem(parseParts(uri)));
  return meant === undefined ? read : { ...read, fix: `did you mean ${meant}?` };
}

function parseParts(text: string): HostURI | HostURIProblem {
  const [, driver, transport = '', authority = '', path = '', query] =
    /^(qemu|test)(?:\+(unix|ssh|tcp|tls))?:\/\/([^/?#;%]*)(\/[^?#;%]*)(?:\?([^#;]*))?$/.exec(text) ?? [];
  if (driver === undefined) return problem('this is not a libvirt URI that can be read in one way only');
  if (transport === 'tls' || (transport === '' && authority !== '')) {
    const message =
      'qemu+tls, which a host without a transport stands for, hangs: the Terraform provider 0.8.3 cannot speak it';
    return { message, fix: 'use qemu+ssh, or qemu+tcp in a network of its own' };
  }
  const isRemote = transport === 'ssh' || transport === 'tcp';
  const place = isRemote ? parseAuthority(authority) : undefined;
  if (isRemote && !place) return problem('the user, host or port of the URI cannot be used');
  if (place?.user.includes(':'))
    return {
      message: 'a URI must not hold a password',
      fix: 'use a key: qemu+ssh://USER@HOST/system?keyfile=/path/to/key',
    };
  if (!isRemote && authority !== '') return problem('a host stands where the transport goes to this machine');
  if (driver === 'test' && transport !== '') return problem('the driver test has no transport');
  const isPath = driver === 'test' ? isFile(path) : path === '/system' || path === '/session';
  if (!isPath) return problem(`"${path}" is not a path that can be used`);
  const parameters = parseQuery(query);
  if (!(parameters instanceof Map)) return parameters;
  if (driver === 'test' && parameters.size > 0) return problem('the driver test has no parameters');
  const kind = isRemote ? transport : '';
  const { user = '', host = '', port } = place ?? {};
  const isDefault = kind !== '' && port === DEFAULT_PORTS[kind];
  return {
    driver: driver as HostURI['driver'],
    transport: kind,
    user,
    host,
    port: isDefault ? undefined : port,
    path,
    parameters,
  };
}

/** Returns true if `parseHostURI` did not accept the text. */
export function isProblem(read: HostURI | HostURIProblem): read is HostURIProblem {
  return 'message' in read;
}

/** Formats the parts as a URI. Equal parts give the same text, which every parser reads as these parts. */
export function formatHostURI({ parameters, ...place }: HostURI): string {
  const query = [...parameters].map(([name, value]) => `${name}=${value}`).join('&');
  // States of earlier versions are found under this form.
  const isUnix = place.transport === '' && parameters.has('socket');
  return `${formatPlace(place, isUnix ? 'unix' : place.transport)}${query && `?${query}`}`;
}

/**
 * Returns the identity of a host: its URI without the parameters of the connection. URIs of one identity are one host. A text that
 * cannot be parsed is its own identity.
 */
export function hostIdentity(text: string): string {
  const read = parseHostURI(text);
  if (isProblem(read)) return text;
  const { socket = '' } = Object.fromEntries(read.parameters);
  return `${formatPlace(read, read.transport)}${socket && `?socket=${socket}`}`;
}

function formatPlace(
  { driver, user, host, port, path }: Omit<HostURI, 'parameters'>,
  transport: string,
): string {
  const at = `${user && `${user}@`}${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`;
  return `${driver}${transport && `+${transport}`}://${at}${path}`;
}

/** A password stays in `user`, for the caller to refuse. */
function parseAuthority(text: string): Pick<HostURI, 'user' | 'host' | 'port'> | undefined {
  const [, user = '', name, digits] =
    /^(?:([^@]*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (name === undefined || (text.includes('@') && user === '')) return undefined;
  if (user !== '' && !USER.test(user) && !/^[^:]*:/.test(user)) return undefined;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535 || String(port) !== digits)) return undefined;
  const host = name.startsWith('[') ? ipv6(name) : NAME.test(name) ? name.toLowerCase() : undefined;
  return host === undefined ? undefined : { user, host, port };
}

/** Returns the spelling of RFC 5952. */
function ipv6(bracketed: string): string | undefined {
  const url = `http://${bracketed}/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined;
}

function parseQuery(query: string | undefined): Map<string, string> | HostURIProblem {
  const found = new Map<string, string>();
  for (const one of query === undefined ? [] : query.split('&')) {
    const [, name = '', encoded = ''] = /^([a-z_]+)=(.+)$/.exec(one) ?? [];
    const isValue = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    const value = decode(encoded);
    if (!isValue) return problem(`the parameter "${name || one}" cannot be used`);
    if (found.has(name)) return problem(`the parameter ${name} stands there twice`);
    if (value === undefined || !isValue(value))
      return problem(`the value of the parameter ${name} cannot be used`);
    found.set(name, value);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function problem(message: string): HostURIProblem {
  return { message, fix: FORMS };
}

/** Returns the URI without its password: `qemu+tcp://admin:***@host/system`. */
export function redactUri(uri: string): string {
  return uri.replace(PASSWORD, '$1:***@').replaceAll(/([?&]password=)[^&#]*/g, '$1***');
}

/** Removes a URI's password from a text that may repeat it. */
export function redactText(text: string, uri: string): string {
  const password = PASSWORD.exec(uri)?.[2];
  const known = text.replaceAll(uri, redactUri(uri));
  return password ? known.replaceAll(password, '***') : known;
}

/**
 * Returns the URI for virsh. ssh would ask for passwords and host keys on the terminal and wait; `no_tty` makes it fail at once,
 * with a reason.
 */
export function unattendedUri(uri: string): string {
  if (!/^[^:/]+\+ssh:/.test(uri) || /[?&]no_tty=/.test(uri)) return uri;
  return `${uri}${uri.includes('?') ? '&' : '?'}no_tty=1`;
}

/** Finds the password, which ends at the last @: one within it may not be encoded. */
const PASSWORD = /^([^:]+:\/\/[^:@/?]*):([^/]*)@/;
