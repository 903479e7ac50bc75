/** `node test/lab/install.ts [--tests | --capi]`: what lab and tests need beyond npm packages. Called by setup.sh; silent when all is there. */
import { capiPrograms } from './capi/programs.ts';
import { installDebianPackages } from './debian-packages.ts';
import { kubeBinaries } from './kube/binaries.ts';
import { provideTerraform } from './terraform-binary.ts';
import { provideProvider } from './terraform-provider.ts';

const progress = (line: string) => console.error(`setup: ${line}`);

try {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('the lab needs Linux on amd64');
  await installDebianPackages(progress);
  const terraform = await provideTerraform(progress);
  await provideProvider(terraform, progress);
  if (process.argv[2] === '--tests') await kubeBinaries(progress);
  if (process.argv[2] === '--capi') await capiPrograms(progress);
} catch (error) {
  console.error(`setup: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
