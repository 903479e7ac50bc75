/** Parses libvirt's XML, within limits. */

import { XMLParser } from 'fast-xml-parser';
import { messageOf } from '../errors.ts';
import { LibvirtError } from './libvirt-error.ts';
import type { Virsh } from './virsh.ts';
import { type Command, quoteCommand } from './virsh-command.ts';

type Node = Readonly<Record<string, unknown>>;

/** Characters of one document. A domain of a hundred disks has 40,000; this much takes up to half a second to read. */
export const XML_CHARACTERS = 256 * 1024;
/** Elements within each other, below the root. libvirt's own go to about ten. */
export const XML_DEPTH = 50;

/** A document that is no XML, or larger or deeper than what is read. */
export class UnreadableXml extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'UnreadableXml';
  }
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  // Everything stays text: a name may be `007`, a size may pass 2^53.
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  // One child or many, with text or without: the same shape.
  alwaysCreateTextNode: true,
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
  // What other programs keep in a definition may have any shape, and is not needed.
  stopNodes: ['domain.metadata', 'network.metadata'],
  maxNestedTags: XML_DEPTH,
});

/**
 * An element of libvirt's XML. Asking an absent element for a child gives another absent element, so that paths can be
 * followed without tests in between.
 */
export class XmlElement {
  readonly #node: Node;

  private constructor(node: Node) {
    this.#node = node;
  }

  /**
   * Returns the root element called `name`; absent when the document has another root.
   * @throws UnreadableXml
   */
  static parse(document: string, name: string): XmlElement {
    if (document.length > XML_CHARACTERS)
      throw new UnreadableXml(`it has ${document.length} characters, and at most ${XML_CHARACTERS} are read`);
    try {
      return new XmlElement(parser.parse(document) as Node).child(name);
    } catch (error) {
      // The parser's own words may repeat the document.
      throw new UnreadableXml(messageOf(error).slice(0, 200));
    }
  }

  children(name: string): XmlElement[] {
    return ((this.#node[name] ?? []) as Node[]).map((node) => new XmlElement(node));
  }

  /** The first child called `name`. */
  child(name: string): XmlElement {
    return this.children(name)[0] ?? new XmlElement({});
  }

  /** Undefined when the attribute, or the element, is absent. */
  attribute(name: string): string | undefined {
    return this.#node[`@${name}`] as string | undefined;
  }

  /** The text as it stands; undefined when the element is absent or empty. */
  get text(): string | undefined {
    return (this.#node['#text'] as string | undefined) || undefined;
  }
}

/** Reads what `command` of virsh printed. `what` it describes: `domain NAME`. Throws LibvirtError for what cannot be read. */
export function readXml<T>(virsh: Virsh, command: Command, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnreadableXml) throw unreadable(virsh, command, what, error);
    throw error;
  }
}

export function unreadable({ uri }: Virsh, command: Command, what: string, cause: unknown): LibvirtError {
  return new LibvirtError({
    code: 'other',
    uri,
    command: quoteCommand(command),
    message: `libvirt at ${uri}: the definition of ${what} cannot be read: ${(cause as Error | undefined)?.message}`,
    fix: `see virsh ${quoteCommand(command)}, and remove what is not libvirt's own from it`,
    cause,
  });
}

/**
 * A copy of plain data that was read out of a text. V8 keeps all of a text in memory for as long as somebody has a part of it, and
 * what virsh says of a thousand domains is 5 MB.
 */
export function copyDetached<T>(data: T): T {
  return JSON.parse(JSON.stringify(data));
}
