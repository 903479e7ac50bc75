/** Starts terraform processes with the environment and files of their workspace. */

import type { Call } from './call.ts';
import type { TerraformBinary } from './install/terraform.ts';
import type { ProviderProcess } from './provider/process.ts';
import { type Environment, terraformEnvironment } from './run/environment.ts';
import { CONFINED, type RunOutcome, type RunRequest, run } from './run/process.ts';
import { TerraformError } from './run/terraform-error.ts';
import { paths, type Workspace } from './workspace.ts';

export interface LauncherOptions {
  /** Found when the first run needs it. */
  readonly binary: () => Promise<TerraformBinary>;
  /** Called before terraform is started; what it throws is thrown instead. */
  readonly mayRun?: (() => void) | undefined;
  /** Told of each run that has ended, for metrics. */
  readonly onRun?: (run: EndedRun) => void;
}

export interface EndedRun {
  /** For example `plan`. */
  readonly verb: string;
  /** Killed: a signal ended terraform. */
  readonly outcome: 'success' | 'failure' | 'killed';
  readonly seconds: number;
}

/** Starts terraform in a workspace, for the provider that serves it. */
export class Launcher {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** `request`: what differs from run to run. `host`: the warm provider; undefined: terraform starts its own. */
  async run(
    verb: string,
    { workspace, lock }: Pick<Call, 'workspace' | 'lock'>,
    host: ProviderProcess | undefined,
    request: Pick<RunRequest, 'args' | 'onStart' | 'onMessage'>,
  ): Promise<RunOutcome> {
    const whole: RunRequest = {
      command: (await this.#options.binary()).path,
      cwd: workspace.dir,
      env: environmentOf(workspace, host),
      output: paths.output(workspace),
      ...(host && { lifeline: host.lifeline }),
      ...request,
      onStart: async (pid) => {
        await Promise.all([lock.extendTo(pid), request.onStart?.(pid)]);
      },
    };
    // Last of all: it may have waited for its turn, for a lock and for the provider.
    this.#options.mayRun?.();
    const started = performance.now();
    const ended = await run(whole);
    const outcome = ended.exitCode === null ? 'killed' : ended.exitCode === 0 ? 'success' : 'failure';
    this.#options.onRun?.({ verb, outcome, seconds: (performance.now() - started) / 1_000 });
    return ended;
  }

  /**
   * What a command that changes nothing prints. It stays in memory: this is where states and plans come through.
   * @throws TerraformError
   */
  async read(
    { workspace, verb, args }: Pick<Call, 'workspace' | 'verb' | 'args'>,
    host: ProviderProcess | undefined,
  ): Promise<string> {
    // Not loaded by who only looks at libvirt.
    const { execa } = await import('execa');
    const result = await execa('/bin/sh', ['-c', CONFINED, (await this.#options.binary()).path, ...args], {
      cwd: workspace.dir,
      env: environmentOf(workspace, host),
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
      maxBuffer: Number.POSITIVE_INFINITY,
      forceKillAfterDelay: false,
    });
    if (result.exitCode === 0) return result.stdout;
    const outcome = { exitCode: result.exitCode ?? null, messages: [], text: result.stderr.split('\n') };
    throw new TerraformError(verb, outcome);
  }
}

function environmentOf({ kubernetes }: Workspace, host: ProviderProcess | undefined): Environment {
  return terraformEnvironment({
    ...(host && { TF_REATTACH_PROVIDERS: host.reattach }),
    ...(kubernetes && {
      ...kubernetes.env,
      TF_DATA_DIR: kubernetes.dataDir,
      TF_WORKSPACE: kubernetes.workspace,
    }),
  });
}
