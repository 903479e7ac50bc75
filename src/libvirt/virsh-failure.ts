/** Explains why virsh failed, without passwords. */

import { formatSeconds } from '../system/duration.ts';
import { OUTPUT_CHARACTERS, type SubprocessResult } from '../system/subprocess.ts';
import { redactText, redactUri } from './host-uri.ts';
import { LibvirtError } from './libvirt-error.ts';
import { virshCommand } from './virsh-command.ts';

interface Asking {
  /** With its password, which is in no error. */
  readonly uri: string;
  readonly binary: string;
  /** The command that was under way, undefined when there was no connection yet. */
  readonly reached?: string | undefined;
  /** The first of those that were asked. */
  readonly first: string;
  readonly timeoutMs?: number;
}

/** Makes the error for a virsh that did not answer all commands. */
export function virshFailure(
  { uri: unredacted, binary, reached, first, timeoutMs = 0 }: Asking,
  result: Partial<SubprocessResult>,
): LibvirtError {
  const uri = redactUri(unredacted);
  const command = reached ?? first;
  const stderr = redactText(result.stderr ?? '', unredacted);
  if (result.code === 'ENOENT' || result.exitCode === NOT_FOUND) {
    // Without the cause, which contains the arguments, and so the URI with its password.
    return new LibvirtError({
      code: 'virshMissing',
      uri,
      command,
      message: `${binary} is not installed, and libvirt is read through it`,
      fix: 'Install it: apt-get install libvirt-clients, or dnf install libvirt-client.',
    });
  }
  if (result.isTooLong) {
    return new LibvirtError({
      code: 'other',
      uri,
      command,
      message: `libvirt at ${uri} answers ${command} with more than ${OUTPUT_CHARACTERS} characters`,
      fix: `See what makes the answer so long, and remove what is not needed: ${virshCommand(uri, 'list', '--all')}`,
    });
  }
  if (!result.timedOut && /^E[A-Z]+$/.test(result.code ?? '')) {
    const message = `${binary} cannot be started: ${result.code}`;
    const cause = Object.assign(new Error(message), { code: result.code });
    return new LibvirtError({ code: 'other', uri, command, message, cause });
  }
  if (result.signal === 'SIGPIPE') {
    const message = `libvirt at ${uri} hung up in the middle of a request`;
    const fix = `Check that libvirtd runs there, and is no other program: ${virshCommand(uri, 'version')}`;
    return new LibvirtError({ code: 'unreachable', uri, command, message, fix });
  }
  if (!result.timedOut) return LibvirtError.fromStderr(uri, command, stderr);
  const within = `within ${formatSeconds(timeoutMs)}`;
  const check = virshCommand(uri, 'version');
  const explanation =
    reached === undefined
      ? {
          code: 'unreachable' as const,
          message: `libvirt at ${uri} took no connection ${within}`,
          fix: `Check that the host is up and that no firewall drops the connection: ${check}`,
        }
      : {
          code: 'timeout' as const,
          message: `libvirt at ${uri} gave no answer to ${command} ${within}`,
          fix: `Check that libvirt and the host's storage are not stuck: ${check}`,
        };
  return new LibvirtError({ uri, command, stderr, ...explanation });
}

/** What setpriv ends with for a program that is not there, as a shell does. */
const NOT_FOUND = 127;
