/** Verifies that schema.json is the schema of the provider. */

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readSchema } from '../../stacks/provider-libvirt/schema.mts';
import { terraformEnvironment } from './terraform-environment.ts';

const committed = new URL('../../stacks/provider-libvirt/schema.json', import.meta.url);

test('schema.json is what the provider says: else run `npm run schema` in stacks/provider-libvirt', async () => {
  Object.assign(process.env, terraformEnvironment);
  expect(await readSchema()).toEqual(JSON.parse(await readFile(committed, 'utf8')));
});
