/** Plays virsh with the files of a directory: `leases/<network>` and `addresses/<domain>` hold its answers. */

import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { scratchDir } from '../terraform/scratch.ts';

/** Reads a batch, as src/libvirt/virsh.ts writes it, and appends it to `calls`. */
const PROGRAM = `#!/usr/bin/env bash
cd "$(dirname "$0")"
script=\${!#}
script=\${script//"''"/}
echo "$script" | sed -E 's/echo (--err )?%[^%]+%; //g; s/; $//' >>calls
if [ -e down ]; then echo 'error: failed to connect to the hypervisor' >&2; exit 1; fi
while read -r command; do
  case $command in
    'echo --err '*) echo "error: \${command#echo --err }" >&2 ;;
    'echo '*) echo "\${command#echo }" ;;
    'net-dhcp-leases --network='*) cat "leases/\${command#*=}" 2>/dev/null || echo "error: Network not found" >&2 ;;
    'domiflist '*) echo ' vnet0 network default virtio 52:54:00:00:00:11' ;;
    'domifaddr '*) name=\${command#*=}; cat "addresses/\${name%% *}" 2>/dev/null || echo "error: no agent" >&2 ;;
  esac
done <<<"\${script//; /$'\\n'}"
`;

export class StandInVirsh {
  readonly program: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.program = join(directory, 'virsh');
  }

  static async make(finished = onTestFinished): Promise<StandInVirsh> {
    const made = new StandInVirsh(await scratchDir(finished));
    for (const name of ['leases', 'addresses']) await mkdir(join(made.#directory, name));
    await writeFile(made.program, PROGRAM);
    await chmod(made.program, 0o755);
    return made;
  }

  /** One line for each process. */
  async calls(): Promise<string[]> {
    const text = await readFile(join(this.#directory, 'calls'), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean);
  }

  async lease(network: string, mac: string, address: string): Promise<void> {
    const row = ` 2099-11-23 15:15:34   ${mac}   ipv4   ${address}/24   guest   01:${mac}\n`;
    await writeFile(join(this.#directory, 'leases', network), row, { flag: 'a' });
  }

  async addressOf(domain: string, mac: string, address: string): Promise<void> {
    const row = ` eth0      ${mac}    ipv4         ${address}/24\n`;
    await writeFile(join(this.#directory, 'addresses', domain), row);
  }

  async setDown(isDown: boolean): Promise<void> {
    const path = join(this.#directory, 'down');
    await (isDown ? writeFile(path, '') : rm(path));
  }
}
