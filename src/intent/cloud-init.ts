/**
 * Refuses user data that cloud-init would silently ignore: the guest would boot, count as ready, and not be configured.
 * https://cloudinit.readthedocs.io/en/latest/explanation/format.html
 */

import { TerminalError } from '../errors.ts';

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
