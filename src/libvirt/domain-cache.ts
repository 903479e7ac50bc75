import { createHash } from 'node:crypto';
import { type DomainDefinition, parseDomain } from './domain.ts';

/**
 * What the domains of a host are, for those who look at all of them again and again: most have not changed since the last look, and
 * to read the XML of a thousand takes half a second. Kept until the next look.
 */
export class Definitions {
  #last = new Map<string, DomainDefinition>();
  #now = new Map<string, DomainDefinition>();

  /** The output of `virsh dumpxml` for each domain, all in one look. */
  read(documents: readonly string[]): DomainDefinition[] {
    this.#last = this.#now;
    this.#now = new Map();
    return documents.map((xml) => {
      const key = createHash('sha1').update(xml).digest('base64');
      const definition = this.#last.get(key) ?? parseDomain(xml);
      this.#now.set(key, definition);
      return definition;
    });
  }
}
