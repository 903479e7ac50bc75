/** `npm run generate`: writes docs/cli.md. */

import { writeFile } from 'node:fs/promises';
import { cliReference } from './cli-reference.ts';

const path = 'docs/cli.md';
await writeFile(new URL(`../${path}`, import.meta.url), cliReference());
console.log(path);
