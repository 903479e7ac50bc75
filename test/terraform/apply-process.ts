/**
 * Applies a configuration, as a caplv of its own: `node apply-process.ts <workspace dir> <libvirt URI> <config file>`.
 * Prints a line of JSON for each event, and one for the process number of the provider.
 */
import { readFile } from 'node:fs/promises';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import { ProviderPool } from '../../src/terraform/provider/pool.ts';
import { Terraform } from '../../src/terraform/terraform.ts';
import { hostAt } from '../lab/host-uri.ts';

const [dir = '', uri = '', config = ''] = process.argv.slice(2);
const providerKey = hostAt(uri);
const binary = await findTerraform();
const providers = new ProviderPool(() => findProvider({ terraform: binary }));
const terraform = new Terraform({
  binary: async () => binary,
  providerMode: 'warm',
  providers,
  limits: { total: 1, perKey: 1 },
});
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
print({ type: 'provider', pid: (await providers.get(providerKey)).pid });
const options = { operation: 'apply', providerKey, onEvent: print };
const session = await terraform.open({ dir }, options);
await session.apply(JSON.parse(await readFile(config, 'utf8')));
await session.release();
// Not closed: a caplv that just ends must not leave its provider behind either.
