/** Disks that the user of a command has named, as MACHINE/DISK or NAMESPACE/MACHINE/DISK. */

import type { ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';

export class NamedDisks {
  readonly #disks: readonly (ObjectKey & { readonly disk: string })[];

  /** `namespace`: of names without one. Throws TerminalError InvalidConfiguration. */
  constructor(names: readonly string[], namespace: string) {
    this.#disks = names.map((text) => {
      const [disk = '', name = '', given = namespace, ...more] = text.split('/').reverse();
      if (disk === '' || name === '' || given === '' || more.length > 0) throw unclear(text);
      return { namespace: given, name, disk };
    });
  }

  /** Names of the disks of one machine. */
  of({ namespace, name }: ObjectKey): string[] {
    return this.#disks
      .filter((one) => one.namespace === namespace && one.name === name)
      .map(({ disk }) => disk);
  }

  /** Throws TerminalError InvalidConfiguration for a machine that is none of these: most likely a slip. */
  requireAmong(machines: readonly ObjectKey[]): void {
    for (const { namespace, name } of this.#disks) {
      if (machines.some((one) => one.namespace === namespace && one.name === name)) continue;
      throw new TerminalError({
        code: 'InvalidConfiguration',
        path: FLAG,
        message: `the manifests have no Machine "${name}" in namespace "${namespace}"`,
        fix: `name a Machine that is applied: ${machines.map((one) => one.name).join(', ') || 'there is none'}`,
      });
    }
  }
}

const FLAG = '--allow-replace-disk';

function unclear(text: string): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    path: FLAG,
    message: `"${text}" names no disk of a Machine`,
    fix: 'write MACHINE/DISK, for example node/data, or node/root for the root disk',
  });
}
