/** `npm run schema`: makes schema.json from the provider that terraform finds (see TF_CLI_CONFIG_FILE). */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SOURCE = 'dmacvicar/libvirt';
const VERSION = '0.8.3';

/** Asks the real provider. The shape is that of `terraform providers schema -json`, plus the version that cdktf expects. */
export async function readSchema(): Promise<{ provider_schemas: Record<string, unknown> }> {
  const run = promisify(execFile);
  const directory = await mkdtemp(join(tmpdir(), 'provider-schema-'));
  try {
    const terraform = { required_providers: { libvirt: { source: SOURCE, version: VERSION } } };
    await writeFile(join(directory, 'main.tf.json'), JSON.stringify({ terraform }));
    const options = { cwd: directory, env: { ...process.env, CHECKPOINT_DISABLE: '1' } };
    await run('terraform', ['init', '-input=false', '-no-color'], options);
    const { stdout } = await run('terraform', ['providers', 'schema', '-json'], options);
    return { ...JSON.parse(stdout), provider_versions: { [`registry.terraform.io/${SOURCE}`]: VERSION } };
  } finally {
    await rm(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const text = `${JSON.stringify(await readSchema(), null, 2)}\n`;
  await writeFile(join(import.meta.dirname, 'schema.json'), text);
}
