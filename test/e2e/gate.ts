/** Pauses an apply in the middle, so that tests can check what is visible meanwhile. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A point in an apply at which it waits for the test, which can then check the intermediate state. */
export class Gate {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** `directory`: made; when it is removed nothing waits any more. */
  static async make(directory: string): Promise<Gate> {
    await mkdir(directory);
    return new Gate(directory);
  }

  /** For `terraform` of a provider spec: the volumes are made, the domain is not yet. */
  beforeDomain(): object {
    return {
      resource: {
        terraform_data: { gate: this.#resource(['libvirt_volume.root', 'libvirt_volume.seed']) },
        libvirt_domain: { machine: { depends_on: ['terraform_data.gate'] } },
      },
    };
  }

  /** For `terraform` of a provider spec: all is made, and Terraform has not ended. */
  afterDomain(): object {
    return { resource: { terraform_data: { gate: this.#resource(['libvirt_domain.machine']) } } };
  }

  /** Opens the gate, now and for later runs. */
  async open(): Promise<void> {
    await writeFile(join(this.#directory, 'open'), '');
  }

  #resource(dependencies: readonly string[]): object {
    const command = `while [ -d '${this.#directory}' ] && [ ! -e '${this.#directory}/open' ]; do sleep 0.05; done`;
    return { depends_on: dependencies, provisioner: [{ 'local-exec': { command } }] };
  }
}
