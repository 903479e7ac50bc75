/** Verifies that the documentation explains each error code, and that the files which documents and comments name exist. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { cliReference } from '../scripts/cli-reference.ts';
import { HEALTH_REASONS } from '../src/controllers/machine-health-check/reasons.ts';
import { ERROR_CODES } from '../src/errors.ts';

const page = readFileSync(new URL('../docs/troubleshooting.md', import.meta.url), 'utf8');

it.each(ERROR_CODES)('the code %s is explained in docs/troubleshooting.md', (code) => {
  expect(page).toContain(`\`${code}\``);
});

it.each(Object.entries(HEALTH_REASONS))(
  'who sees %s at a health check finds there what it means',
  (reason, meaning) => {
    expect(page).toContain(`| \`${reason}\` | ${meaning}`);
  },
);

const securityTests = readFileSync(new URL('../docs/security-tests.md', import.meta.url), 'utf8');
const named = [...securityTests.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file);

it.each([...new Set(named)])('who repeats a security test finds %s', (file) => {
  expect(existsSync(new URL(`../${file}`, import.meta.url))).toBe(true);
});

function typescript(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(new URL(`../${folder}`, import.meta.url), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => `${folder}/${path}`),
  );
}

it('every file that a comment names exists', () => {
  const files = new Set(typescript('src', 'stacks', 'test').map((path) => basename(path)));
  const missing = typescript('src', 'stacks').flatMap((path) => {
    const text = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
    const comments = text.match(/\/\*\*?[\s\S]*?\*\/|\/\/ .*/g) ?? [];
    return comments
      .flatMap((comment) => comment.match(/[a-z][a-z.-]*\.ts\b/g) ?? [])
      .filter((name) => !files.has(name))
      .map((name) => `${path}: ${name}`);
  });
  expect(missing).toEqual([]);
});

/** Lists the anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(text: string): string[] {
  const headings = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)];
  return headings.map(([, heading = '']) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it('every link between pages leads to a file and a heading that exist', () => {
  const root = new URL('../', import.meta.url);
  const folders = ['docs', 'docs/decisions', 'deploy', 'test/lab'];
  const markdown = (folder: string) =>
    readdirSync(new URL(folder, root))
      .filter((name) => name.endsWith('.md'))
      .map((name) => (folder === '.' ? name : `${folder}/${name}`));
  const broken = ['.', ...folders].flatMap(markdown).flatMap((file) => {
    const text = readFileSync(new URL(file, root), 'utf8').replaceAll(/^```.*?^```$/gms, '');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    return links
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? new URL(file, root) : new URL(path, new URL(file, root));
        if (!existsSync(target)) return true;
        return anchor !== undefined && target.pathname.endsWith('.md')
          ? !anchorsOf(readFileSync(target, 'utf8')).includes(anchor)
          : false;
      })
      .map((link) => `${file}: ${link}`);
  });
  expect(broken).toEqual([]);
});

it('docs/cli.md has every command and flag; npm run generate writes it', () => {
  expect(readFileSync(new URL('../docs/cli.md', import.meta.url), 'utf8')).toBe(cliReference());
});
