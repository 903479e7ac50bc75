/** Parses YAML that somebody else wrote, within limits. */

import { Composer, Parser } from 'yaml';

/**
 * Limits, in bytes, the YAML text from others that callers may parse. A kubeconfig with a bundle of certificates has half of this. Measured on text of this size
 * that was made to be slow: 0.3 s; the time grows with the square of the size.
 */
export const YAML_BYTES = 32 * 1024;

/** A text that is no YAML, or more than one document. `line` counts from 1. */
export class UnreadableYaml extends Error {
  readonly line: number | undefined;

  constructor(why: string, line?: number) {
    super(why);
    this.name = 'UnreadableYaml';
    this.line = line;
  }
}

export interface YamlDocument {
  /** Null or undefined for an empty text. */
  readonly value: unknown;
  /** What the parser has doubts about, for example a tag that it does not know. */
  readonly warning: UnreadableYaml | undefined;
}

/**
 * Reads one document, up to its first error: `parse` of the same library goes on after errors and compares each key with each other one.
 * Messages may quote the text.
 * @throws UnreadableYaml
 */
export function parseYamlDocument(text: string): YamlDocument {
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  const composer = new Composer({ uniqueKeys: false, logLevel: 'error' });
  const documents = [];
  try {
    for (const token of new Parser().parse(text)) {
      if (token.type === 'error') throw new UnreadableYaml(token.message, lineAt(token.offset));
      documents.push(...composer.next(token));
    }
    documents.push(...composer.end());
    const [document, another] = documents;
    const [error] = document?.errors ?? [];
    if (error) throw new UnreadableYaml(error.message, lineAt(error.pos[0]));
    if (another) throw new UnreadableYaml('more than one YAML document');
    const [warning] = document?.warnings ?? [];
    return {
      value: document?.toJS(),
      warning: warning && new UnreadableYaml(warning.message, lineAt(warning.pos[0])),
    };
  } catch (error) {
    if (error instanceof UnreadableYaml) throw error;
    // Nested too deeply, too many aliases, or an alias without an anchor.
    throw new UnreadableYaml((error as Error).message);
  }
}
