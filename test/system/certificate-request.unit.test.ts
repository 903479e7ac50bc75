/** Verifies that bytes which two programs could read in two ways are no certificate request. */

import { expect, it } from 'vitest';
import { readCertificateRequest } from '../../src/system/certificate-request.ts';
import { derValues } from '../../src/system/der.ts';
import { requestPem } from '../controllers/certificate/kubelet-request.ts';

const pem = requestPem();
const der = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64');

/** By x509.CreateCertificateRequest of Go 1.26, which a kubelet calls. */
const BY_GO = `-----BEGIN CERTIFICATE REQUEST-----
MIIBJDCBygIBADAwMRUwEwYDVQQKEwxzeXN0ZW06bm9kZXMxFzAVBgNVBAMTDnN5
c3RlbTpub2RlOncwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHDFj0GjFah+t
DhugcRjemHGacFMOEXLL5bUxX0X9FqJXm3nxZaB+6RwwDNC7hthg1bsEDp/jvhkU
r7j90X7Ro6A4MDYGCSqGSIb3DQEJDjEpMCcwJQYDVR0RBB4wHIICdzCHBAoRAxSH
EP0AAAAAAAAAAAAAAAAAACAwCgYIKoZIzj0EAwIDSQAwRgIhANs4PhaVUHx3WrxQ
gUee/hwxVm9eMvWa3E7ZfclaS7f6AiEAsl/fyG8TtjFc+w2OqUrPRXqjVWU4XSjG
OpiH0LcbF2Y=
-----END CERTIFICATE REQUEST-----
`;

function asPem(bytes: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

it('reads what openssl writes', () => {
  expect(readCertificateRequest(pem)).toEqual({
    subject: [
      { type: 'O', value: 'system:nodes' },
      { type: 'CN', value: 'system:node:w0' },
    ],
    dnsNames: ['w0'],
    ipAddresses: ['10.17.3.20'],
    others: 0,
  });
});

it('reads what a kubelet writes', () => {
  expect(readCertificateRequest(BY_GO)).toEqual({
    subject: [
      { type: 'O', value: 'system:nodes' },
      { type: 'CN', value: 'system:node:w0' },
    ],
    dnsNames: ['w0'],
    ipAddresses: ['10.17.3.20', 'fd00:0000:0000:0000:0000:0000:0000:0020'],
    others: 0,
  });
});

it('reads a request without extensions, and counts what it does not know', () => {
  expect(readCertificateRequest(requestPem({ names: [] }))).toMatchObject({ dnsNames: [], others: 0 });
  const extensions = ['keyUsage=digitalSignature', 'extendedKeyUsage=serverAuth'];
  expect(readCertificateRequest(requestPem({ names: ['URI:a:b'], extensions }))).toMatchObject({ others: 3 });
});

it('never reads a request that is cut off, or longer than it says', () => {
  for (let length = 0; length < der.length; length++)
    expect(() => readCertificateRequest(asPem(der.subarray(0, length)))).toThrow(TypeError);
  expect(() => readCertificateRequest(asPem(Buffer.concat([der, Buffer.of(5, 0)])))).toThrow(TypeError);
});

it('throws nothing but TypeError, and never ends late, for a request of which one byte is another', () => {
  for (let at = 0; at < der.length; at++) {
    for (const value of [0x00, 0x30, 0x80, 0x84, 0xff]) {
      const changed = Buffer.from(der);
      changed[at] = value;
      try {
        readCertificateRequest(asPem(changed));
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
    }
  }
});

it.each([
  ['an indefinite length', [0x30, 0x80, 0x00, 0x00]],
  ['a length with a leading zero', [0x04, 0x82, 0x00, 0x80, ...Array(128).fill(0)]],
  ['a long form where the short one does', [0x04, 0x81, 0x01, 0x00]],
  ['a length of four bytes', [0x04, 0x84, 0x01, 0x00, 0x00, 0x00]],
  ['a tag of two bytes', [0x1f, 0x81, 0x01, 0x00]],
  ['no length', [0x04]],
])('refuses %s', (_, bytes) => {
  expect(() => derValues(Buffer.from(bytes))).toThrow(TypeError);
});

it('reads lengths of one, two and three bytes', () => {
  for (const length of [0, 127, 128, 255, 256, 65_536]) {
    const head = [0x04, ...(length < 128 ? [length] : lengthBytes(length))];
    expect(derValues(Buffer.from([...head, ...Array(length).fill(1)]))[0]?.content.length).toBe(length);
  }
});

function lengthBytes(length: number): number[] {
  const digits = length.toString(16);
  const bytes = [...Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')];
  return [0x80 + bytes.length, ...bytes];
}
