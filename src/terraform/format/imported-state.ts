/** A state file that an import has written, and what has to be done to it before a plan over it says the truth. */

import { isDeepStrictEqual } from 'node:util';
import type { PlannedValues } from './planned-values.ts';

export interface ImportedResource {
  readonly type: string;
  readonly name: string;
}

interface Instance {
  readonly schema_version: number;
  readonly attributes: Record<string, unknown>;
  readonly sensitive_attributes?: readonly unknown[];
  readonly dependencies?: readonly string[];
}

interface Resource extends ImportedResource {
  readonly mode: string;
  readonly provider: string;
  readonly instances: readonly Instance[];
}

interface StateDocument {
  readonly version: number;
  readonly terraform_version: string;
  readonly serial: number;
  readonly lineage: string;
  readonly outputs: object;
  readonly resources: readonly Resource[];
}

export class ImportedState {
  readonly #document: StateDocument;

  /** `text`: of a state that can be read. */
  constructor(text: string) {
    this.#document = JSON.parse(text) as StateDocument;
  }

  get text(): string {
    return `${JSON.stringify(this.#document, null, 2)}\n`;
  }

  /**
   * With those attributes filled in from the plan which the provider cannot read. `fill`: the value that an attribute is to
   * have, given the one that it has; the same for all that need none. Undefined: there was nothing to fill in.
   */
  filledIn(
    planned: readonly PlannedValues[],
    fill: (planned: PlannedValues, attribute: string, value: unknown) => unknown,
  ): ImportedState | undefined {
    const filled = (resource: Resource): Resource => {
      const wanted = planned.find(({ type, name }) => type === resource.type && name === resource.name);
      if (!wanted) return resource;
      const instances = resource.instances.map(({ attributes, ...instance }) => {
        const entries = Object.entries({ ...wanted.after, ...attributes });
        return {
          ...instance,
          attributes: Object.fromEntries(
            entries.map(([attribute, value]) => [attribute, fill(wanted, attribute, value)]),
          ),
        };
      });
      return { ...resource, instances };
    };
    const resources = this.#document.resources.map(filled);
    return isDeepStrictEqual(resources, this.#document.resources) ? undefined : this.#with({ resources });
  }

  /** With a resource that the provider cannot import. `secret`: attributes that the configuration takes from a secret. */
  plus(
    resource: ImportedResource,
    attributes: Record<string, unknown>,
    secret: readonly string[],
  ): ImportedState {
    const [like] = this.#document.resources;
    const provider = like?.provider ?? 'provider["registry.terraform.io/dmacvicar/libvirt"]';
    const { type, name } = resource;
    // Without the marks a plan would see a change, of nothing but the marks.
    const marks = secret.map((value) => [{ type: 'get_attr', value }]);
    const instances = [{ schema_version: 0, attributes, sensitive_attributes: marks }];
    return this.#with({
      resources: [...this.#document.resources, { mode: 'managed', type, name, provider, instances }],
    });
  }

  /** With all others as what has to be there longer than a resource of that type. */
  depending(type: string): ImportedState {
    const others = this.#document.resources.filter((one) => one.type !== type);
    const dependencies = others.map((one) => `${one.type}.${one.name}`);
    return this.withDependencies((one) => (one.type === type ? dependencies : undefined));
  }

  /** With the addresses of what has to be there longer than a resource, for the order of a destruction. */
  withDependencies(of: (resource: ImportedResource) => readonly string[] | undefined): ImportedState {
    const resources = this.#document.resources.map((one) => {
      const dependencies = of(one);
      if (!dependencies) return one;
      return { ...one, instances: one.instances.map((instance) => ({ ...instance, dependencies })) };
    });
    return this.#with({ resources });
  }

  /** With none of the resources but those. */
  only(isWanted: (resource: ImportedResource) => boolean): ImportedState {
    return this.#with({ resources: this.#document.resources.filter(isWanted) });
  }

  /** The state that is there, with those of our resources that it lacks. */
  addedTo(text: string): ImportedState {
    const there = JSON.parse(text) as StateDocument;
    const known = new Set(there.resources.map(({ type, name }) => `${type}.${name}`));
    const missing = this.#document.resources.filter(({ type, name }) => !known.has(`${type}.${name}`));
    return new ImportedState(JSON.stringify({ ...there, resources: [...there.resources, ...missing] }));
  }

  /** As the successor of other states. */
  numbered(serial: number, lineage: string = this.#document.lineage): ImportedState {
    return this.#with({ serial, lineage });
  }

  #with(change: Partial<StateDocument>): ImportedState {
    return new ImportedState(JSON.stringify({ ...this.#document, ...change }));
  }
}
