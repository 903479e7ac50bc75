/** Version of the package, from its package.json: two levels up from dist/src, one from src. */

import { readFileSync } from 'node:fs';

const levels = import.meta.url.endsWith('.ts') ? '..' : '../..';
const { version } = JSON.parse(readFileSync(new URL(`${levels}/package.json`, import.meta.url), 'utf8')) as {
  version: string;
};

export const VERSION: string = version;
