/** Ranges of IP addresses as operators write them: `10.0.0.0/8`, `127.0.0.1`, `fd00::/8`. */

import { BlockList, isIP } from 'node:net';
import { canonicalAddress } from './address-scope.ts';

const BITS = { 4: 32, 6: 128 } as const;

export class IpRange {
  /** As it was written. */
  readonly text: string;
  readonly #address: string;
  readonly #prefix: number;
  readonly #family: 4 | 6;
  readonly #addresses = new BlockList();

  private constructor(text: string, address: string, prefix: number, family: 4 | 6) {
    this.text = text;
    this.#address = address;
    this.#prefix = prefix;
    this.#family = family;
    this.#addresses.addSubnet(address, prefix, `ipv${family}`);
  }

  /** Reads an address or a CIDR; undefined: it is neither. */
  static parse(text: string): IpRange | undefined {
    const [, address = '', length] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
    const family = isIP(address);
    if (family !== 4 && family !== 6) return undefined;
    const prefix = length === undefined ? BITS[family] : Number(length);
    return prefix <= BITS[family] ? new IpRange(text, address, prefix, family) : undefined;
  }

  /** Reads what the program itself wrote. Throws for what is no range. */
  static of(text: string): IpRange {
    const range = IpRange.parse(text);
    if (!range) throw new Error(`${text} is not an address or a CIDR`);
    return range;
  }

  /** True if `address` lies in it. An IPv4 address counts as that, however it is written. */
  has(address: string): boolean {
    const plain = canonicalAddress(address);
    return isIP(plain) === this.#family && this.#addresses.check(plain, `ipv${this.#family}`);
  }

  /** True if all its addresses lie in `other`. */
  isWithin(other: IpRange): boolean {
    return this.#family === other.#family && this.#prefix >= other.#prefix && other.has(this.#address);
  }
}
