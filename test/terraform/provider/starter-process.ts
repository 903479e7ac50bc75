/** Starts the provider that it is given, tells its process number, and stays until it is killed. */

import { ProviderProcess } from '../../../src/terraform/provider/process.ts';

const host = await ProviderProcess.start(process.argv[2] ?? '');
process.stdout.write(`${host.pid}\n`);
setInterval(() => {}, 60_000);
