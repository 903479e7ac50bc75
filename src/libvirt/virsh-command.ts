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
