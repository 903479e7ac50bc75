/** Lists values that a parser, template engine, shell or file system may interpret. */

import fc from 'fast-check';
import { anyCharacter } from './inputs/characters.ts';

const LONG = 200_000;

/** Nine times nine times … nine. */
const BOMB = [
  'a0: &a0 [x]',
  ...Array.from(
    { length: 9 },
    (_, level) => `a${level + 1}: &a${level + 1} [${Array(9).fill(`*a${level}`)}]`,
  ),
].join('\n');

export const HOSTILE_TEXTS: readonly string[] = [
  '',
  ' ',
  // Terraform and its functions, cdktf's tokens, our own variables, jinja
  '${file("/etc/passwd")}',
  '$${x}',
  '${',
  '%{ if true }yes%{ endif }',
  '%{for x in [1]}',
  '${libvirt_volume.root.id}',
  '${TfToken[TOKEN.1]}',
  '${Token[x.1]}',
  '#{Token[TOKEN.2]}',
  '${CAPLV_MACHINE_NAME}',
  '${CAPLV_NOWHERE}',
  '${CAPLV_NAME:-${CAPLV_NAME}}',
  '{{ ds.meta_data.instance_id }}',
  // Quotes, lines, controls
  '"',
  "'",
  '\\',
  '\\"',
  '"}],"resource":{}',
  'a\nb: c',
  '\r\n',
  '\t',
  'a\0b',
  '\u0000',
  '\u001b[31m',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\ud800',
  '👩‍👩‍👧‍👦',
  'ﷺ',
  'e\u0301',
  'rtl\u202eexe',
  // YAML
  '*a',
  '&a b',
  '!!js/function x',
  '!!binary AA==',
  'yes',
  'no',
  '~',
  'null',
  '0x10',
  '1e999',
  '.inf',
  '012',
  '1:30',
  '- a',
  '--- a',
  '...',
  '<<',
  '? a',
  '# a',
  '%YAML 9.9',
  '@a',
  '`a',
  '|',
  '>',
  // XML, XSLT, shell, paths, queries
  '<a/>',
  ']]>',
  '<!--',
  '<!ENTITY x SYSTEM "file:///etc/passwd">',
  '&x;',
  '<xsl:template match="/"><xsl:value-of select="document(\'/etc/passwd\')"/></xsl:template>',
  '; rm -rf /',
  '$(id)',
  '`id`',
  '| id',
  '-rf',
  '--help',
  '../../etc/passwd',
  '..',
  '.',
  '/',
  '//',
  '/etc/passwd',
  '/dev/zero',
  '/proc/self/environ',
  'a/b',
  'a;seed',
  'file:///etc/passwd',
  'file:///a%2fb',
  'file:///%00',
  'file:///%',
  'file:/\\',
  'file://host/a',
  'http://',
  'http://[',
  'volume:a/',
  'volume:a/../b',
  'volume:a/b c',
  'qemu:///system?a=${b}',
  'qemu+ssh://a:b@c/system',
  "qemu:///system';id'",
  '52:54:00:00:00:00:00',
  '999.0.0.1',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  '10.0.0.0/33',
  // Names that objects have
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  // What a regular expression might try in too many ways
  'a'.repeat(LONG),
  `${'a'.repeat(LONG)}!`,
  `${' '.repeat(LONG)}!`,
  `${'a-'.repeat(LONG / 2)}`,
  `${'a.'.repeat(LONG / 2)}_`,
  `${'A+/='.repeat(LONG / 4)}`,
  `qemu://${':'.repeat(LONG)}`,
  `${'../'.repeat(LONG / 3)}`,
  `\${${'{'.repeat(LONG)}`,
  '1'.repeat(LONG),
  // Nested, and multiplied
  '['.repeat(LONG),
  '{a: '.repeat(LONG / 4),
  '- '.repeat(LONG / 2),
  BOMB,
];

/** Of other types than wanted, too. */
export const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  -0,
  1.5,
  1e21,
  1e308,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  [],
  [[]],
  [null],
  {},
  { a: {} },
  { value: {} },
  { spec: { spec: {} } },
  JSON.parse('{"__proto__": {"polluted": true}}'),
  JSON.parse('{"constructor": {"prototype": {"polluted": true}}}'),
  Array.from({ length: 5_000 }, () => 'a'),
  Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, 'v'])),
  deep(2_000),
];

export const hostileText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
);

export const hostileValue = fc.oneof(
  { weight: 3, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_VALUES) },
);

function deep(levels: number): unknown {
  let value: unknown = 'a';
  for (let level = 0; level < levels; level++) value = { a: value };
  return value;
}
