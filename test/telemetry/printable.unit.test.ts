/** Verifies that text of others cannot control a terminal. */

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatData } from '../../src/cli/output/serialize.ts';
import { formatTable } from '../../src/cli/output/table.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { printable } from '../../src/telemetry/printable.ts';

/** What a server, a host or a tenant can write into a name, a message or a description. */
const hostile = {
  'a colour': '\u001b[31mred',
  'a CSI of one character': '\u009b2J',
  'a title of the window': '\u001b]0;owned\u0007',
  'a bell': 'ding\u0007',
  'a backspace': 'safe\b\b\b\bevil',
  'a carriage return': 'error\rok',
  'a delete': 'a\u007fb',
  'a change of direction': 'user\u202egpj.exe\u202c',
  'an isolate': '\u2066x\u2069',
  'a line separator': 'one\u2028two',
};
const COMMANDS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

describe.each(Object.entries(hostile))('%s', (_, text) => {
  it('is shown, and not obeyed, in text, tables and logs', () => {
    const lines: string[] = [];
    for (const format of ['json', 'pretty'] as const) {
      const log = createLogger({ level: 'info', format, write: (line) => lines.push(line) });
      log.warn('A server said', { text, error: new Error(text) });
    }
    for (const shown of [printable(text), formatTable(['NAME'], [[text]]), ...lines]) {
      expect(shown).not.toMatch(COMMANDS);
    }
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ text, error: text });
  });

  it.each(['json', 'yaml'] as const)(
    'is the same text to parsers of %s, and no command to a terminal',
    (output) => {
      const data = { [text]: [text, 'plain'], nested: { text: `${text}\nsecond line` } };
      const shown = formatData(data, output);
      expect(shown).not.toMatch(COMMANDS);
      expect(output === 'json' ? JSON.parse(shown) : parse(shown)).toEqual(data);
    },
  );
});

it('text of any language, emoji and line feeds stay as they are', () => {
  const text = 'Größe\t名前\nשלום 👩‍💻';
  expect(printable(text)).toBe(text);
});

it('a line feed in a cell makes no row', () => {
  expect(formatTable(['NAME', 'WHY'], [['web', 'gone\ndb     Running']])).toBe(
    'NAME   WHY\nweb    gone\\ndb     Running\n',
  );
});
