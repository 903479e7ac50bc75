import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type DomainDefinition, parseDomain } from './domain.ts';
import { UnreadableXml } from './xml.ts';

/** Milliseconds of reading after which others get their turn. */
const TURN_MS = 50;

/**
 * DomainXmlCache of the domains of a host, for those who read all of them again and again: most have not changed since the last time, and
 * to read the XML of a thousand takes half a second. Kept until the next time.
 */
export class DomainXmlCache {
  #last: ReadonlyMap<string, DomainDefinition | UnreadableXml> = new Map();

  /** Reads the output of `virsh dumpxml` for each domain of a host. One that cannot be read is UnreadableXml. */
  async read(documents: readonly string[]): Promise<(DomainDefinition | UnreadableXml)[]> {
    const last = this.#last;
    const now = new Map<string, DomainDefinition | UnreadableXml>();
    const all: (DomainDefinition | UnreadableXml)[] = [];
    let turn = performance.now();
    for (const xml of documents) {
      const key = createHash('sha1').update(xml).digest('base64');
      const definition = last.get(key) ?? parsed(xml);
      now.set(key, definition);
      all.push(definition);
      if (performance.now() - turn < TURN_MS) continue;
      await setImmediate();
      turn = performance.now();
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
