/** `npm run generate`: makes src/ from schema.json, as `cdktf get` would, but without a network (0.1 s). */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// The package's main needs jsii-pacmak, which it does not declare; hence the deep imports.
import { TerraformProviderGenerator } from '@cdktf/provider-generator/lib/get/generator/provider-generator.js';
import { ConstructsMakerProviderTarget, Language, TerraformProviderConstraint } from '@cdktf/commons';
import { CodeMaker } from 'codemaker';

const PROVIDER = 'dmacvicar/libvirt@0.8.3';

/** Writes the bindings into `directory`, which is emptied before. */
export async function generate(directory: string): Promise<void> {
  const schema = JSON.parse(await readFile(join(import.meta.dirname, 'schema.json'), 'utf8'));
  const generator = new TerraformProviderGenerator(new CodeMaker(), schema);
  generator.generate(new ConstructsMakerProviderTarget(new TerraformProviderConstraint(PROVIDER), Language.TYPESCRIPT));
  const scratch = await mkdtemp(join(tmpdir(), 'provider-libvirt-'));
  try {
    await generator.save(scratch);
    await rm(directory, { recursive: true, force: true });
    await cp(join(scratch, 'providers', 'libvirt'), directory, { recursive: true });
  } finally {
    await rm(scratch, { recursive: true });
  }
}

if (import.meta.main) await generate(join(import.meta.dirname, 'src'));
