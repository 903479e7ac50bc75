/** Runs the credential program of a kubeconfig, and renews its credential before it expires. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** `users[].user.exec` of a kubeconfig: a program that prints credentials, as `aws eks get-token` does. */
export interface ExecConfig {
  readonly apiVersion?: string;
  readonly command: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly installHint?: string;
}

export interface ExecCredential {
  readonly token?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
  readonly expirationTimestamp?: string;
}

/** Renews a credential this long before the server starts to refuse it. */
const EXPIRY_MARGIN_MS = 30_000;

/** Limits the time of the program, whose own server may not answer. */
const PROGRAM_MS = 60_000;

/**
 * Runs the program when there is no credential, or when it is about to expire.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export class ExecCredentialSource {
  private readonly config: ExecConfig;
  private current: Promise<ExecCredential> | undefined;

  constructor(config: ExecConfig) {
    this.config = config;
  }

  async get(): Promise<ExecCredential> {
    this.current ??= this.run();
    try {
      const credential = await this.current;
      if (!isExpiring(credential)) return credential;
    } catch (error) {
      this.current = undefined;
      throw error;
    }
    this.current = this.run();
    return this.current;
  }

  private async run(): Promise<ExecCredential> {
    const { command, args = [], env = [], apiVersion = 'client.authentication.k8s.io/v1' } = this.config;
    const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
    const variables = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    try {
      const { stdout } = await promisify(execFile)(command, [...args], {
        env: { ...process.env, ...variables, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
        timeout: PROGRAM_MS,
        killSignal: 'SIGKILL',
      });
      return (JSON.parse(stdout) as { status: ExecCredential }).status;
    } catch (error) {
      // Not the cause's own message: execFile repeats the program's output, which may hold a token.
      const hint = this.config.installHint ? `. ${this.config.installHint}` : '';
      const code = (error as { code?: unknown }).code ?? 'unreadable output';
      throw new Error(`the kubeconfig's credential program ${command} failed (${code})${hint}`);
    }
  }
}

function isExpiring({ expirationTimestamp }: ExecCredential): boolean {
  return expirationTimestamp !== undefined && Date.parse(expirationTimestamp) - Date.now() < EXPIRY_MARGIN_MS;
}
