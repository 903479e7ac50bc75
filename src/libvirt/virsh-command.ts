/**
 * Describes one virsh command: its name, then its arguments, unquoted. Names of objects go in as `--domain=NAME`, never as a bare
 * word: virsh takes a word that begins with `--` for an option.
 */
export type Command = readonly [name: string, ...args: string[]];

/** Quotes a command for virsh's parser and for a shell: words in single quotes, in which only the quote itself is special. */
export function quoteCommand(command: Command): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** Formats a virsh command for a shell. The URI and the names in it come from manifests. */
export function virshCommand(uri: string, ...command: Command): string {
  return quoteCommand(['virsh', '-c', uri, ...command]);
}

/** Returns true for a command that changes nothing and is quick, so that a session may run it, and it can be repeated. */
export function isQuickRead([name]: Command): boolean {
  return READS.has(name);
}

/** Returns true for a command that changes something on a host. */
export function isChange([name]: Command): boolean {
  return CHANGES.has(name);
}

const READS: ReadonlySet<string> = new Set([
  'domifaddr',
  'domstate',
  'dumpxml',
  'list',
  'net-dhcp-leases',
  'net-dumpxml',
  'net-list',
  'nodeinfo',
  'nodememstats',
  'pool-dumpxml',
  'pool-list',
  'version',
  'vol-dumpxml',
  'vol-list',
  'vol-path',
]);

const CHANGES: ReadonlySet<string> = new Set([
  'blockresize',
  'destroy',
  'net-autostart',
  'net-define',
  'net-start',
  'net-undefine',
  'net-update',
  'pool-autostart',
  'pool-build',
  'pool-define',
  'pool-delete',
  'pool-start',
  'pool-undefine',
  'shutdown',
  'undefine',
  'vol-delete',
  'vol-resize',
]);
