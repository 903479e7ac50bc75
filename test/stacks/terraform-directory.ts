/** Runs plain terraform on a stack. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { type JsonObject, toText } from '../../stacks/json.ts';
import { terraformEnvironment } from './terraform-environment.ts';

/** A configuration and its state, worked on by plain terraform. Removed when the test has finished. */
export class TerraformDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Initialised, as far as that needs no backend. */
  static async create(json: JsonObject): Promise<TerraformDirectory> {
    const directory = new TerraformDirectory(await mkdtemp(join(tmpdir(), 'stack-')));
    onTestFinished(() => rm(directory.path, { recursive: true }));
    await directory.write(json);
    await directory.run('init', '-backend=false');
    return directory;
  }

  /** Destroys what it has made when the test has finished. */
  async apply(...args: string[]): Promise<string> {
    onTestFinished(async () => void (await this.run('destroy', '-auto-approve')));
    return this.run('apply', '-auto-approve', ...args);
  }

  async write(json: JsonObject): Promise<void> {
    await writeFile(join(this.path, 'cdk.tf.json'), toText(json));
  }

  /** Returns stdout and stderr; rejects, with both in its message, when terraform fails. */
  async run(...args: string[]): Promise<string> {
    const env = { ...terraformEnvironment, TF_IN_AUTOMATION: '1', TF_CLI_ARGS: '-no-color' };
    const { all } = await execa('terraform', args, { cwd: this.path, env, all: true });
    return all;
  }

  /** What a plan would do, for example `libvirt_domain.machine update`. Empty: no changes. */
  async changes(): Promise<string[]> {
    const lines = (await this.run('plan', '-json')).split('\n').filter((line) => line.startsWith('{'));
    return lines
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'planned_change')
      .map(({ change }) => `${change.resource.addr} ${change.action}`);
  }
}
