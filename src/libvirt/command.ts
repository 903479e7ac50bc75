/**
 * One virsh command: its name, then its arguments, unquoted. Names of objects go in as `--domain=NAME`, never as a bare
 * word: virsh takes a word that begins with `--` for an option.
 */
export type Command = readonly [name: string, ...args: string[]];

/** A command as virsh's own parser reads it: words in single quotes, in which only the quote itself is special. */
export function quoteCommand(command: Command): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
