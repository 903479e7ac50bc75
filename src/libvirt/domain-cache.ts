/** Caches the parsed definitions of a host's domains. */

import { createHash } from 'node:crypto';
import { Turn } from '../system/turn.ts';
import { type DomainDefinition, parseDomain } from './domain.ts';
import { UnreadableXml } from './xml.ts';

/**
 * Caches parsed definitions between two reads of all domains of a host: most have not changed, and parsing the XML of a thousand
 * takes half a second.
 */
export class DomainXmlCache {
  #last: ReadonlyMap<string, DomainDefinition | UnreadableXml> = new Map();

  /** Reads the output of `virsh dumpxml` for each domain of a host. One that cannot be read is UnreadableXml. */
  async read(documents: readonly string[]): Promise<(DomainDefinition | UnreadableXml)[]> {
    const last = this.#last;
    const now = new Map<string, DomainDefinition | UnreadableXml>();
    const all: (DomainDefinition | UnreadableXml)[] = [];
    const turn = new Turn();
    for (const xml of documents) {
      const key = createHash('sha1').update(xml).digest('base64');
      const definition = last.get(key) ?? parsed(xml);
      now.set(key, definition);
      all.push(definition);
      await turn.yieldIfLong();
    }
    this.#last = now;
    return all;
  }
}

function parsed(xml: string): DomainDefinition | UnreadableXml {
  try {
    return parseDomain(xml);
  } catch (error) {
    if (error instanceof UnreadableXml) return error;
    throw error;
  }
}
