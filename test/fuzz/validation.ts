/** Validates many configurations with one provider process. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import { ProviderProcess } from '../../src/terraform/provider/process.ts';
import { type JsonObject, toText } from '../../stacks/json.ts';
import { terraformEnvironment } from '../stacks/terraform-environment.ts';

interface Report {
  readonly diagnostics: readonly {
    readonly severity: 'error' | 'warning';
    readonly summary: string;
    readonly detail?: string;
    readonly range?: { readonly filename: string };
  }[];
}

/** `terraform validate` with one provider process for all of it. */
export class Validator {
  readonly #terraform: string;
  readonly #provider: ProviderProcess;
  readonly #directory: string;
  #count = 0;

  private constructor(terraform: string, provider: ProviderProcess, directory: string) {
    this.#terraform = terraform;
    this.#provider = provider;
    this.#directory = directory;
  }

  static async start(directory: string): Promise<Validator> {
    Object.assign(process.env, terraformEnvironment);
    const terraform = await findTerraform();
    const provider = await ProviderProcess.start(await findProvider({ terraform }));
    return new Validator(terraform.path, provider, directory);
  }

  stop(): Promise<void> {
    return this.#provider.release();
  }

  /** What terraform refuses, by the index of the stack. Each stack is a module of one configuration: one run for all of them. */
  async problems(stacks: readonly JsonObject[]): Promise<Map<number, string>> {
    const root = join(this.#directory, `batch-${this.#count++}`);
    const modules = stacks.map((_, index) => `m${index}`);
    // As `terraform init` would have it.
    await mkdir(join(root, '.terraform', 'modules'), { recursive: true });
    const installed = modules.map((name) => ({ Key: name, Source: `./${name}`, Dir: name }));
    const manifest = { Modules: [{ Key: '', Source: '', Dir: '.' }, ...installed] };
    await writeFile(join(root, '.terraform', 'modules', 'modules.json'), JSON.stringify(manifest));
    const calls = Object.fromEntries(modules.map((name) => [name, { source: `./${name}` }]));
    await writeFile(join(root, 'main.tf.json'), JSON.stringify({ module: calls }));
    await Promise.all(
      stacks.map(async (stack, index) => {
        await mkdir(join(root, `m${index}`));
        await writeFile(join(root, `m${index}`, 'cdk.tf.json'), toText(stack));
      }),
    );
    const { diagnostics } = await this.#validate(root);
    const found = new Map<number, string>();
    for (const { severity, summary, detail, range } of diagnostics) {
      const index = Number(/^m(\d+)\//.exec(range?.filename ?? '')?.[1] ?? -1);
      if (severity === 'error') found.set(index, `${summary}: ${detail}`);
    }
    return found;
  }

  /** What terraform refuses of one stack, as it is applied. */
  async problem(stack: JsonObject): Promise<string | undefined> {
    const root = join(this.#directory, `single-${this.#count++}`);
    await mkdir(root);
    await writeFile(join(root, 'cdk.tf.json'), toText(stack));
    const { diagnostics } = await this.#validate(root);
    const error = diagnostics.find(({ severity }) => severity === 'error');
    return error && `${error.summary}: ${error.detail}`;
  }

  async #validate(cwd: string): Promise<Report> {
    const env = { TF_REATTACH_PROVIDERS: this.#provider.reattach, TF_IN_AUTOMATION: '1' };
    const { stdout, stderr } = await execa(this.#terraform, ['validate', '-json'], {
      cwd,
      env,
      reject: false,
    });
    if (!stdout.startsWith('{')) throw new Error(`terraform validate: ${stdout}${stderr}`);
    return JSON.parse(stdout) as Report;
  }
}
