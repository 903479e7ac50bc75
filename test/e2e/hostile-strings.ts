/** Lists texts that a shell, a template engine, virsh, XML, QEMU or a terminal may interpret. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Random } from '../faults/random.ts';

/** A slash, for names that must hold none until a shell reads them. */
const SLASH = '${PWD%${PWD#?}}';
const LONGEST_NAME = 200;

/** A directory in which files appear when a text is run as a command. */
export class Canaries {
  readonly directory: string;
  #count = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** A command without a slash that leaves a file of its own. */
  command(): string {
    return `touch ${join(this.directory, `canary-${this.#count++}`)}`.replaceAll('/', SLASH);
  }

  async found(): Promise<string[]> {
    return readdir(this.directory);
  }
}

/** Texts that a shell would run, each with a canary of its own. */
export function shellTexts(canaries: Canaries): string[] {
  const wrappings: readonly ((command: string) => string)[] = [
    (command) => `$(${command})`,
    (command) => `\`${command}\``,
    (command) => `; ${command};`,
    (command) => `'; ${command}; '`,
    (command) => `"; ${command}; "`,
    (command) => `\\'; ${command} #`,
    (command) => `& ${command} &`,
    (command) => `| ${command}`,
    (command) => `'$(${command.replaceAll(' ', '${IFS}')})'`,
    // virsh reads its commands like this.
    (command) => `' ; cd '; pool-destroy default; net-destroy default; echo '$(${command})`,
  ];
  return wrappings.map((wrap) => wrap(canaries.command()));
}

/** Texts that other readers may interpret. All are valid names of files. */
export const PLAIN_TEXTS: readonly string[] = [
  // Terraform, cdktf, cloud-init
  '${libvirt_volume.root.id}',
  '${terraform.workspace}%{ if true }yes%{ endif }',
  '$${a}$$${b}$$$${c}%%{ if d }${"$"}{e}',
  '${TfToken[TOKEN.0]}#{TfToken[TOKEN.1]}&{TfToken[TOKEN.2]}',
  '${TfToken[TOKEN.99999]}',
  '{{ ds.meta_data.instance_id }}{% raw %}',
  // XML, XSLT
  `<>&'"&lt;&#10;&x;`,
  ']]><!-- <![CDATA[ -->',
  '<!DOCTYPE a [<!ENTITY x SYSTEM "file:etc">]>&x;',
  `<xsl:value-of select="document('etc')">`,
  `'><disk type="file"><source file="x"><target dev='vdz'>`,
  // Options: of programs, virsh, QEMU
  '--all',
  '-rf',
  '--pool=other; undefine bystander',
  'x,file=x,readonly=on,id=y',
  'a;seed',
  // Names and formats
  '%s%n%d%00%2e%2e%2f',
  '..%2f..\\..\\x',
  '?x=1#y&z',
  ' a b ',
  '*?[a]~!^',
  'a\\',
  'null',
  // Unicode
  'gpj.\u202eexe',
  '\u212b\u1e9b\u0323'.normalize('NFC'),
  '👩‍👩‍👧‍👦ﷺ\ufeff',
  'x'.repeat(LONGEST_NAME),
];

/** Texts for fields that accept any text. */
export const LOOSE_TEXTS: readonly string[] = [
  'a: b\nc: |\r\n\td\n...\n---\n',
  'NUL \0, ESC \u001b[31m, BEL \u0007, DEL \u007f',
  'decomposed e\u0301',
  '../../../../etc/passwd',
  '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
  `<xsl:value-of select="document('/etc/passwd')"/>`,
  '${file("/etc/passwd")}',
  'long '.repeat(20_000),
];

/** Some of the texts in a row, as the name of a file. */
export function composed(random: Random, texts: readonly string[]): string {
  const parts = Array.from({ length: 2 + random.below(3) }, () => random.pick(texts) ?? '');
  return asName(parts.join(''));
}

/** Cuts text to the length of a file name, between characters. */
export function asName(text: string): string {
  let name = '';
  for (const character of text.normalize('NFC')) {
    if (Buffer.byteLength(name + character) > LONGEST_NAME) break;
    name += character;
  }
  return name;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '<': 'lt',
  '>': 'gt',
  '&': 'amp',
  "'": 'apos',
  '"': 'quot',
};

/** Escapes text as libvirt does. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&'"]/g, (character) => `&${ENTITIES[character]};`);
}

/** The words of a command as a shell reads them, in a directory of its own. */
export async function wordsOf(command: string, cwd: string): Promise<string[]> {
  const { stdout } = await execa('sh', ['-c', `printf '%s\\0' ${command}`], { cwd });
  return stdout.split('\0').slice(0, -1);
}
