/** Refuses a network configuration that cloud-init would ignore. Loaded where there is one: its parser takes a command long to load. */

import { isMapping } from '../../apimachinery/mapping.ts';
import { TerminalError } from '../../errors.ts';
import { parseYamlDocument, UnreadableYaml, YAML_BYTES } from '../../system/yaml-document.ts';

const FORMS = 'give a mapping with version: 1 and config, or version: 2 and ethernets, as cloud-init has it';

/**
 * Reads a network configuration as cloud-init does.
 * @throws TerminalError InvalidConfiguration with `path` for one that is not a mapping of version 1 or 2
 */
export function requireNetworkConfig(text: string, path: string): void {
  const refusal = (message: string, fix = FORMS) =>
    new TerminalError({ code: 'InvalidConfiguration', path, message, fix });
  if (Buffer.byteLength(text) > YAML_BYTES)
    throw refusal(
      `this has more than ${YAML_BYTES} bytes`,
      'leave out comments, or write the rest by user data',
    );
  const value = mapping(yamlOf(text, refusal));
  if (!value) throw refusal('this is not a mapping, and cloud-init would ignore it');
  const config = mapping(value['network']) ?? value;
  const { version, config: entries } = config;
  if (entries === 'disabled') return;
  if (version !== 1 && version !== 2) throw refusal('this has no version, and cloud-init would ignore it');
  if (version === 1 && !Array.isArray(entries))
    throw refusal('version 1 has a list under config, and here is none');
}

/** Parses the YAML without the parser's messages, which quote the text and the passwords in it. */
function yamlOf(text: string, refusal: (message: string) => TerminalError): unknown {
  try {
    return parseYamlDocument(text).value;
  } catch (error) {
    if (error instanceof UnreadableYaml) throw refusal(`this is not YAML (line ${error.line ?? '?'})`);
    throw error;
  }
}

function mapping(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return isMapping(value) ? value : undefined;
}
