/**
 * Refuses user data that cloud-init would silently ignore: the guest would boot, count as ready, and not be configured.
 * https://cloudinit.readthedocs.io/en/latest/explanation/format.html
 */

import { isMapping } from '../apimachinery/mapping.ts';
import { TerminalError } from '../errors.ts';
import { parseYamlDocument, UnreadableYaml, YAML_BYTES } from '../system/yaml-document.ts';

/** How user data begins, whatever its case, after white space. The second part is for readers other than cloud-init. */
const HEADERS: readonly string[] = [
  '#cloud-config',
  '#!',
  '## template: jinja',
  '#include',
  '#cloud-boothook',
  '#part-handler',
  // cloudbase-init, for Windows.
  '#ps1',
  'rem cmd',
  '<powershell>',
  '<script>',
];
/** cloud-init looks for it in the first 4 KiB. */
const MIME = /^(content-type:|mime-version:)/im;
const MIME_BYTES = 4_096;
/** Machine configuration of Talos Linux. */
const TALOS = /^version: v1alpha1$/m;

/** @throws TerminalError InvalidConfiguration with `path` for user data of no known kind. Empty user data is none. */
export function requireHeader(userData: string, path: string): void {
  const start = userData.slice(0, MIME_BYTES).trimStart();
  const lower = start.toLowerCase();
  if (start === '' || HEADERS.some((header) => lower.startsWith(header))) return;
  if (MIME.test(start) || TALOS.test(start)) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: 'this user data has no header that says what it is, and cloud-init would ignore it',
    fix: 'begin it with #cloud-config, with #! (a script), or with another header of cloud-init',
  });
}

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
