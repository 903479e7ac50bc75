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
