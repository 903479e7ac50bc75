/** `node scripts/package-hash.ts DIR`: prints the hash of a provider's directory as `.terraform.lock.hcl` has it. */
import { packageHash } from '../src/terraform/install/provider-lock.ts';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: node scripts/package-hash.ts DIR');
console.info(await packageHash(directory));
