/** Parses libvirt's XML, within limits. */

import { XMLParser } from 'fast-xml-parser';
import { messageOf } from '../errors.ts';
import { LibvirtError } from './libvirt-error.ts';
import type { Virsh } from './virsh.ts';
import { type Command, quoteCommand } from './virsh-command.ts';

type Node = Readonly<Record<string, unknown>>;

/** Limits the characters of one document. A domain of a hundred disks has 40,000; this many take up to half a second to parse. */
export const XML_CHARACTERS = 256 * 1024;
/** Limits the depth of elements below the root. libvirt's own documents have about ten levels. */
export const XML_DEPTH = 50;

/** Reports a document that is not XML, or beyond the limits. */
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
  // Metadata of other programs may have any shape, and is not needed.
  stopNodes: ['domain.metadata', 'network.metadata'],
  maxNestedTags: XML_DEPTH,
});

/**
 * Wraps an element of libvirt's XML. The child of an absent element is another absent element, so that paths can be followed
 * without checks in between.
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
      // The parser's message may quote the document.
      throw new UnreadableXml(messageOf(error).slice(0, 200));
    }
  }

  children(name: string): XmlElement[] {
    return ((this.#node[name] ?? []) as Node[]).map((node) => new XmlElement(node));
  }

  /** Returns the first child called `name`. */
  child(name: string): XmlElement {
    return this.children(name)[0] ?? new XmlElement({});
  }

  /** Returns an attribute; undefined when it, or the element, is absent. */
  attribute(name: string): string | undefined {
    return this.#node[`@${name}`] as string | undefined;
  }

  /** Returns the text unchanged; undefined when the element is absent or empty. */
  get text(): string | undefined {
    return (this.#node['#text'] as string | undefined) || undefined;
  }
}

/** Parses the output of a virsh command about `what`, for example `domain NAME`. Throws LibvirtError for XML that cannot be read. */
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
 * Copies plain data that was parsed from a text. V8 keeps the whole text in memory as long as any part of it is referenced, and the
 * output of virsh for a thousand domains has 5 MB.
 */
export function copyDetached<T>(data: T): T {
  return JSON.parse(JSON.stringify(data));
}
