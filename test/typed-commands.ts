/** Finds the commands that README and docs/ tell people to type. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

export interface Block {
  readonly file: string;
  /** Heading that it stands under. */
  readonly heading: string;
  readonly commands: readonly string[];
}

/** Lists the shell blocks of a page; a command that goes over several lines counts as one, comments are left out. */
export function shellBlocks(file: string): Block[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(({ index, 1: body = '' }) => {
    const headings = [...text.slice(0, index).matchAll(/^#+ (.*)$/gm)];
    return { file, heading: headings.at(-1)?.[1] ?? '', commands: commandsOf(body) };
  });
}

/** Lists commands within a page's sentences: what stands between back quotes and begins with one of these programs. */
export function inlineCommands(file: string, programs: readonly string[]): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8').replaceAll(/^```.*?^```$/gms, '');
  const quoted = [...text.matchAll(/`([^`\n]+)`/g)].map(([, command = '']) => command);
  return quoted.filter((command) => programs.some((program) => command.startsWith(`${program} `)));
}

function commandsOf(body: string): string[] {
  return body
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^| +)# .*$/, '').trim())
    .filter((line) => line !== '');
}
