import { XMLParser } from 'fast-xml-parser';

type Node = Readonly<Record<string, unknown>>;

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

  /** The root element called `name`; absent when the document has another root. */
  static parse(document: string, name: string): XmlElement {
    return new XmlElement(parser.parse(document) as Node).child(name);
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

/**
 * A copy of plain data that was read out of a text. V8 keeps all of a text in memory for as long as somebody has a part of it, and
 * what virsh says of a thousand domains is 5 MB.
 */
export function detached<T>(data: T): T {
  return JSON.parse(JSON.stringify(data));
}
