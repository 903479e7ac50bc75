/** Reads from Terraform's CLI configuration where providers are installed. */

import { homedir } from 'node:os';
import { join } from 'node:path';
import { readIfThere } from '../../system/private-files.ts';

/**
 * What Terraform's CLI configuration says of where providers lie.
 * https://developer.hashicorp.com/terraform/cli/config/config-file
 */
export interface CliConfig {
  /** Directories of all `filesystem_mirror` blocks, in order. */
  readonly mirrors: readonly string[];
  readonly pluginCacheDir?: string;
}

/** Reads TF_CLI_CONFIG_FILE, or else the files that terraform and tofu read by default. */
export async function readCliConfig(): Promise<CliConfig> {
  const named = process.env.TF_CLI_CONFIG_FILE || process.env.TERRAFORM_CONFIG;
  const home = homedir();
  const configHome = process.env.XDG_CONFIG_HOME || join(home, '.config');
  const files = named
    ? [named]
    : [join(home, '.terraformrc'), join(home, '.tofurc'), join(configHome, 'opentofu', 'tofurc')];
  const configs = (await Promise.all(files.map((file) => readIfThere(file)))).map((text) =>
    parseCliConfig(text ?? ''),
  );
  const pluginCacheDir =
    process.env.TF_PLUGIN_CACHE_DIR || configs.find((config) => config.pluginCacheDir)?.pluginCacheDir;
  return {
    mirrors: configs.flatMap((config) => config.mirrors),
    ...(pluginCacheDir && { pluginCacheDir }),
  };
}

/** Finds the two settings in the HCL text; all else in it is none of our business. */
export function parseCliConfig(text: string): CliConfig {
  const code = withoutComments(text);
  const mirrors = [...code.matchAll(/\bfilesystem_mirror\s*\{[^}]*?\bpath\s*=\s*"([^"]*)"/g)].map(
    ([, path]) => path ?? '',
  );
  const cache = /\bplugin_cache_dir\s*=\s*"([^"]*)"/.exec(code)?.[1];
  return { mirrors, ...(cache !== undefined && { pluginCacheDir: expand(cache) }) };
}

/** Strings stay as they are: `"https://…"` holds no comment. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\]|\\.)*")|#.*|\/\/.*|\/\*[\s\S]*?\*\//g,
    (_, string: string | undefined) => string ?? '',
  );
}

/** Terraform expands variables in this setting, and only in this one. */
function expand(path: string): string {
  return path.replace(/\$\{?(\w+)\}?/g, (_, name: string) => process.env[name] ?? '');
}
