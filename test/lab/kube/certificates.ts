/** Makes the certificates of a control plane. */

import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/** A certificate authority in a directory, by openssl. */
export class CertificateAuthority {
  private readonly dir: string;
  readonly certPath: string;
  readonly keyPath: string;

  private constructor(dir: string) {
    this.dir = dir;
    this.certPath = join(dir, 'ca.crt');
    this.keyPath = join(dir, 'ca.key');
  }

  /** The authority that `create` made there before. */
  static at(dir: string): CertificateAuthority {
    return new CertificateAuthority(dir);
  }

  static async create(dir: string): Promise<CertificateAuthority> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const ca = new CertificateAuthority(dir);
    await selfSign(ca.keyPath, ca.certPath, '/CN=caplv-lab', [
      '-addext',
      'keyUsage=critical,keyCertSign,digitalSignature',
    ]);
    return ca;
  }

  /** Signs a certificate for a server on loopback: `<name>.crt` and `<name>.key` in the directory. */
  async server(name: string, addresses: readonly string[]): Promise<KeyPair> {
    const names = addresses.map((address) =>
      /^[0-9.]+$/.test(address) ? `IP:${address}` : `DNS:${address}`,
    );
    return this.issue(name, `/CN=${name}`, [
      '-addext',
      'extendedKeyUsage=serverAuth',
      '-addext',
      `subjectAltName=${names.join(',')}`,
    ]);
  }

  /** Signs a certificate for a user of the API server, who is a member of these groups. */
  async client(user: string, groups: readonly string[]): Promise<KeyPair> {
    const subject = groups.map((group) => `/O=${group}`).join('');
    return this.issue(`user-${user}`.replaceAll(/[^a-z0-9-]/gi, '_'), `${subject}/CN=${user}`, [
      '-addext',
      'extendedKeyUsage=clientAuth',
    ]);
  }

  private async issue(name: string, subject: string, options: readonly string[]): Promise<KeyPair> {
    const certPath = join(this.dir, `${name}.crt`);
    const keyPath = join(this.dir, `${name}.key`);
    await selfSign(keyPath, certPath, subject, [
      ...['-CA', this.certPath, '-CAkey', this.keyPath],
      ...['-addext', 'basicConstraints=critical,CA:FALSE', ...options],
    ]);
    return { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
  }
}

/** With `-CA` among the options, openssl signs with that authority instead. */
async function selfSign(
  keyPath: string,
  certPath: string,
  subject: string,
  options: readonly string[],
): Promise<void> {
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'],
    ...['-subj', subject, '-keyout', keyPath, '-out', certPath, ...options],
  ]);
  await chmod(keyPath, 0o600);
}
