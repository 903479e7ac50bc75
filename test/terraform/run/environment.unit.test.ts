/** Verifies that variables of the user do not change a terraform run. */

import { expect, test } from 'vitest';
import { providerEnvironment, terraformEnvironment } from '../../../src/terraform/run/environment.ts';
import { setEnv } from '../scratch.ts';

test("the user's shell cannot lead a run elsewhere, nor make it log user data", () => {
  setEnv({
    TF_LOG: 'TRACE',
    TF_LOG_PATH: '/tmp/log',
    TF_WORKSPACE: 'other',
    TF_DATA_DIR: '/elsewhere',
    TF_CLI_ARGS_apply: '-target=x',
    TF_REATTACH_PROVIDERS: '{}',
    TF_CLI_CONFIG_FILE: '/home/me/.terraformrc',
    TF_TOKEN_registry_example: 'token',
    HTTPS_PROXY: 'http://proxy',
  });
  const env = terraformEnvironment({ TF_WORKSPACE: 'ours' });
  expect(env).toMatchObject({
    TF_WORKSPACE: 'ours',
    TF_CLI_CONFIG_FILE: '/home/me/.terraformrc',
    TF_TOKEN_registry_example: 'token',
    HTTPS_PROXY: 'http://proxy',
    CHECKPOINT_DISABLE: '1',
  });
  expect(Object.keys(env)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^TF_(LOG|DATA_DIR|CLI_ARGS|REATTACH)/)]),
  );
  expect(Object.keys(providerEnvironment({})).filter((name) => name.startsWith('TF_'))).toEqual([]);
});

test.each([
  ['nothing', {}, { GOGC: 'off', GOMEMLIMIT: '128MiB', GOMAXPROCS: '1' }, { GOGC: '400' }],
  ['GOGC', { GOGC: '100' }, { GOGC: '100', GOMAXPROCS: '1' }, { GOGC: '100' }],
  ['GOMEMLIMIT', { GOMEMLIMIT: '64MiB' }, { GOMEMLIMIT: '64MiB', GOMAXPROCS: '1' }, { GOMEMLIMIT: '64MiB' }],
  [
    'GOMAXPROCS',
    { GOMAXPROCS: '4' },
    { GOGC: 'off', GOMEMLIMIT: '128MiB', GOMAXPROCS: '4' },
    { GOGC: '400', GOMAXPROCS: '4' },
  ],
])(
  'memory of terraform is bounded without a collector; what the user sets wins: %s',
  (_, user, run, provider) => {
    setEnv({ GOGC: undefined, GOMEMLIMIT: undefined, GOMAXPROCS: undefined, ...user });
    const ofGo = (env: Record<string, string>) =>
      Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('GO')));
    expect(ofGo(terraformEnvironment())).toEqual(run);
    expect(ofGo(providerEnvironment({}))).toEqual(provider);
  },
);
