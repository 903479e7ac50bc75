/** Reads a certificate request (PKCS #10, RFC 2986) in PEM: what it asks for, and no key. Node has no reader of its own. */

import { DER, type DerValue, derBytes, derContent, derValues } from './der.ts';

/** What a certificate request asks for. */
export interface CertificateRequestContent {
  /** All attributes of the subject, in order. */
  readonly subject: readonly { readonly type: 'CN' | 'O' | 'other'; readonly value: string }[];
  readonly dnsNames: readonly string[];
  /** As text; IPv6 in groups of four digits. */
  readonly ipAddresses: readonly string[];
  /** Alternative names of other kinds, extensions but subjectAltName, and attributes but extensionRequest: how many. */
  readonly others: number;
}

const OID = {
  commonName: '550403',
  organization: '55040a',
  subjectAltName: '551d11',
  extensionRequest: '2a864886f70d01090e',
} as const;

/** Context-specific tags: `attributes` of a request, and names in subjectAltName. */
const ATTRIBUTES = 0xa0;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const PEM =
  /^-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*$/;

/** Throws TypeError for what is not one request in PEM and DER, or leaves open what it asks for. Its signature is not verified. */
export function readCertificateRequest(pem: string): CertificateRequestContent {
  const [, encoded] = PEM.exec(pem) ?? [];
  if (encoded === undefined) throw new TypeError('it is not one block CERTIFICATE REQUEST in PEM');
  const [request, ...more] = derValues(Buffer.from(encoded, 'base64'));
  if (more.length > 0) throw new TypeError('something follows the request');
  const [info] = derContent(request, DER.sequence, 3);
  const [version, subject, key, attributes] = derContent(info, DER.sequence, 4);
  if (!derBytes(version, DER.integer).equals(Buffer.of(0))) throw new TypeError('its version is not 1');
  derBytes(key, DER.sequence);
  return { subject: readSubject(subject), ...readAttributes(attributes) };
}

function readSubject(subject: DerValue | undefined): CertificateRequestContent['subject'] {
  return derContent(subject, DER.sequence).flatMap((names) =>
    derContent(names, DER.set).map((attribute) => {
      const [oid, value] = derContent(attribute, DER.sequence, 2);
      return { type: typeOf(oidOf(oid)), value: textOf(value) };
    }),
  );
}

function typeOf(oid: string): 'CN' | 'O' | 'other' {
  if (oid === OID.commonName) return 'CN';
  return oid === OID.organization ? 'O' : 'other';
}

function readAttributes(attributes: DerValue | undefined): Omit<CertificateRequestContent, 'subject'> {
  const all = derContent(attributes, ATTRIBUTES).map((one) => derContent(one, DER.sequence, 2));
  const requests = all.filter(([oid]) => oidOf(oid) === OID.extensionRequest);
  if (requests.length > 1) throw new TypeError('it asks for extensions twice');
  const extensions = requests.flatMap(([, values]) => {
    const [list] = derContent(values, DER.set, 1);
    return derContent(list, DER.sequence);
  });
  const read = extensions.map(readExtension);
  const names = read.filter(({ oid }) => oid === OID.subjectAltName);
  if (names.length > 1) throw new TypeError('it has two lists of alternative names');
  const [content] = names;
  const alternatives = content ? derContent(derValues(content.value)[0], DER.sequence) : [];
  if (content && derValues(content.value).length > 1) throw new TypeError('something follows its names');
  return {
    dnsNames: contents(alternatives, DNS_NAME).map(asciiOf),
    ipAddresses: contents(alternatives, IP_ADDRESS).map(addressOf),
    others:
      alternatives.filter(({ tag }) => tag !== DNS_NAME && tag !== IP_ADDRESS).length +
      (read.length - names.length) +
      (all.length - requests.length),
  };
}

/** An extension may say that it is critical between its type and its value. */
function readExtension(extension: DerValue): { readonly oid: string; readonly value: Buffer } {
  const parts = derContent(extension, DER.sequence);
  const [oid, ...rest] = parts;
  const value = rest.pop();
  if (rest.length > 1) throw new TypeError('an extension has too many parts');
  if (rest.length === 1) derBytes(rest[0], DER.boolean);
  return { oid: oidOf(oid), value: derBytes(value, DER.octetString) };
}

function contents(values: readonly DerValue[], tag: number): Buffer[] {
  return values.filter((value) => value.tag === tag).map(({ content }) => content);
}

function oidOf(value: DerValue | undefined): string {
  return derBytes(value, DER.objectIdentifier).toString('hex');
}

/** Other kinds of strings are read in different ways by different programs. */
function textOf(value: DerValue | undefined): string {
  if (value?.tag !== DER.utf8String && value?.tag !== DER.printableString)
    throw new TypeError('a name in its subject is not text in UTF-8');
  return asciiOf(value.content);
}

function asciiOf(bytes: Buffer): string {
  if (!bytes.every((byte) => byte > 0x20 && byte < 0x7f))
    throw new TypeError('a name has characters other than printable ASCII');
  return bytes.toString('latin1');
}

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new TypeError('an address has neither 4 nor 16 bytes');
  return bytes.toString('hex').replace(/(....)(?!$)/g, '$1:');
}
