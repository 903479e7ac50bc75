/**
 * Reports a failed call of libvirt. The caller decides from `code` whether to retry:
 * `unreachable` and `timeout` may pass by themselves, the others need a person or a different request.
 */

import { virshCommand } from './virsh-command.ts';

export type LibvirtErrorCode =
  /** No connection, or a connection lost. */
  | 'unreachable'
  /** Connected, and no answer in time: a stuck daemon, storage, or guest agent. */
  | 'timeout'
  /** The host refuses the connection: socket rights, polkit, ssh keys, TLS certificates, passwords. */
  | 'permission'
  /** The URI names no driver, transport or path that libvirt knows. */
  | 'invalidUri'
  /** The domain, pool, volume or network does not exist. */
  | 'notFound'
  /** The `virsh` program is not installed. */
  | 'virshMissing'
  | 'other';

export interface LibvirtErrorDetails {
  readonly code: LibvirtErrorCode;
  /** Without password. */
  readonly uri: string;
  /** The virsh command line, without the connection. */
  readonly command: string;
  /** What went wrong, in one sentence. */
  readonly message: string;
  readonly fix?: string | undefined;
  /** The output of virsh, unchanged. */
  readonly stderr?: string;
  readonly cause?: unknown;
}

export class LibvirtError extends Error {
  readonly code: LibvirtErrorCode;
  readonly uri: string;
  readonly command: string;
  readonly fix: string | undefined;
  readonly stderr: string;

  constructor(details: LibvirtErrorDetails) {
    super(details.message, { cause: details.cause });
    this.name = 'LibvirtError';
    this.code = details.code;
    this.uri = details.uri;
    this.command = details.command;
    this.fix = details.fix;
    this.stderr = details.stderr ?? '';
  }

  /** Makes the error from virsh's stderr. `uri` and `stderr` must be free of passwords. */
  static fromStderr(uri: string, command: string, stderr: string): LibvirtError {
    const said = shortened(stderr);
    const { code, fix } = symptoms.find(({ matches }) => matches(said)) ?? { code: 'other' as const };
    const cause = lastCause(said).slice(0, MESSAGE_CHARACTERS);
    return new LibvirtError({
      code,
      uri,
      command,
      message: `libvirt at ${uri}: ${cause || `${command} failed and virsh did not say why`}`,
      fix: fix?.(uri),
      stderr: said,
    });
  }

  /** Returns true when the connection failed, so that no other command can have worked either. */
  get isConnectionFault(): boolean {
    return this.code === 'unreachable' || this.code === 'virshMissing' || CONNECT_FAILED.test(this.stderr);
  }
}

const CONNECT_FAILED = /failed to (re)?connect to the hypervisor/i;

/** virsh prints the outer failure first and libvirt's cause last. */
function lastCause(stderr: string): string {
  const errors = stderr.split(/^error: /m).slice(1);
  return (errors.at(-1) ?? stderr).replaceAll(/\s+/g, ' ').trim();
}

/** Limits the characters of virsh's output that are kept, from both ends. */
export const STDERR_CHARACTERS = 16 * 1024;
/** Characters of the cause in a message. */
export const MESSAGE_CHARACTERS = 2 * 1024;

/** Cuts out the middle of a long text: the outer failure comes first, and libvirt's cause last. */
function shortened(stderr: string): string {
  if (stderr.length <= STDERR_CHARACTERS) return stderr;
  const half = STDERR_CHARACTERS / 2;
  return `${stderr.slice(0, half)}\n${stderr.slice(-half)}`;
}

/**
 * Tells whether each pattern is found after the one before it. One expression with `[\s\S]*` between them takes the cube of the length of a
 * text that was made for it: 5 s for 30,000 characters.
 */
function matchesInOrder(...patterns: readonly RegExp[]): (text: string) => boolean {
  return (text) => {
    let rest = text;
    return patterns.every((pattern) => {
      const found = pattern.exec(rest);
      if (found) rest = rest.slice(found.index + found[0].length);
      return found !== null;
    });
  };
}

interface Symptom {
  readonly matches: (text: string) => boolean;
  readonly code: LibvirtErrorCode;
  readonly fix?: (uri: string) => string;
}

/** First match wins. The texts are libvirt's and OpenSSH's, in English: virsh is run with LC_ALL=C. */
const symptoms: readonly Symptom[] = [
  {
    matches: matchesInOrder(
      /no connection driver available|transport in URL not recognised|unexpected \S+ URI path|Failed to parse URI|malformed URI/i,
    ),
    code: 'invalidUri',
    fix: () => 'Use a URI such as qemu:///system or qemu+ssh://user@host/system.',
  },
  {
    matches: matchesInOrder(/Host key verification failed/),
    code: 'permission',
    fix: (uri) =>
      `Record the host's key (ssh-keyscan ${hostOf(uri)} >> ~/.ssh/known_hosts), or name a file that holds it: ?knownhosts=PATH in the URI.`,
  },
  {
    // ssh: "user@host: Permission denied (publickey,password)."
    matches: matchesInOrder(/Permission denied \([a-z,-]+\)/),
    code: 'permission',
    fix: (uri) =>
      `Authorise this user's ssh key on ${hostOf(uri)}, or name the key in the URI: ?keyfile=PATH. Passwords are not asked for.`,
  },
  {
    matches: matchesInOrder(/failed to connect/i, /socket/i, /Permission denied/i),
    code: 'permission',
    fix: () => 'Add the user to the group libvirt on that host (usermod -aG libvirt USER) and log in again.',
  },
  {
    matches: matchesInOrder(/authentication (unavailable|failed|cancelled)|no polkit agent|access denied/i),
    code: 'permission',
    fix: () =>
      'Add the user to the group libvirt on that host, or give the credentials by a libvirt auth file (LIBVIRT_AUTH_FILE).',
  },
  {
    matches: matchesInOrder(/failed to connect/i, /certificate|CA cert|private key|TLS/i),
    code: 'permission',
    fix: () =>
      'Put CA, client certificate and key where libvirt looks (/etc/pki/CA, /etc/pki/libvirt, or ?pkipath=DIR in the URI), and see that they are valid for the host name.',
  },
  {
    matches: matchesInOrder(/Failed to connect socket to '[^']*': (No such file|Connection refused)/),
    code: 'unreachable',
    fix: (uri) => `Start libvirt on the host (systemctl start libvirtd), or correct the socket in ${uri}.`,
  },
  {
    matches: matchesInOrder(/failed to (re)?connect to the hypervisor/i),
    code: 'unreachable',
    fix: (uri) => `Check that ${hostOf(uri)} is up and that libvirt answers: ${virshCommand(uri, 'version')}`,
  },
  {
    matches: matchesInOrder(
      /Disconnected from|client socket is closed|End of file while reading data|Cannot (recv|write) data|connection reset/i,
    ),
    code: 'unreachable',
  },
  {
    matches: matchesInOrder(/pool '[^']*' is not active/),
    code: 'other',
    fix: () => 'Start the pool, now and at each boot: virsh pool-start POOL; virsh pool-autostart POOL',
  },
  { matches: matchesInOrder(/couldn't locate a matching dhcp host entry/i), code: 'notFound' },
  { matches: matchesInOrder(/failed to get (domain|vol|pool|network)\b| not found: no /i), code: 'notFound' },
];

function hostOf(uri: string): string {
  return /^[^:]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(uri)?.[1] ?? 'this host';
}
