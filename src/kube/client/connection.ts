/** Makes the TLS options and headers of requests to an API server from the parts of a kubeconfig. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import type { ConnectGuard } from '../../system/network/guarded-agent.ts';
import { type ExecConfig, ExecCredentialSource } from './exec-credential.ts';

/** Describes how to reach one API server as one user. */
export interface Connection {
  readonly server: URL;
  /** Namespace of the context; `default` where it names none. */
  readonly namespace: string;
  /** Returns TLS options and headers that authenticate a request. Called for each request, since tokens rotate. */
  requestOptions(): Promise<RequestOptions>;
  /** Checks each address before a connection; absent: the server is the operator's own choice. */
  readonly guard?: ConnectGuard;
}

/** `clusters[].cluster` of a kubeconfig. */
export interface ClusterConfig {
  readonly server: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
  readonly 'proxy-url'?: string;
}

/** `users[].user` of a kubeconfig. */
export interface UserConfig {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly exec?: ExecConfig;
  readonly 'auth-provider'?: unknown;
}

/** A mounted token is rotated by the kubelet long before it expires; reading it once a minute is what client-go does. */
const TOKEN_FILE_CACHE_MS = 60_000;

/** Makes the connection from the parts of a kubeconfig. Knows no proxies and auth-providers. */
export function connectionOf(cluster: ClusterConfig, user: UserConfig, namespace: string): Connection {
  const tls = {
    ca: content(cluster['certificate-authority-data'], cluster['certificate-authority']),
    cert: content(user['client-certificate-data'], user['client-certificate']),
    key: content(user['client-key-data'], user['client-key']),
    ...(cluster['tls-server-name'] && { servername: cluster['tls-server-name'] }),
    ...(cluster['insecure-skip-tls-verify'] && { rejectUnauthorized: false }),
  };
  const authentication = authenticationOf(user);
  return {
    server: new URL(cluster.server),
    namespace,
    requestOptions: async () => ({ ...tls, ...(await authentication()) }),
  };
}

function authenticationOf(user: UserConfig): () => Promise<RequestOptions> {
  if (user.exec) {
    const source = new ExecCredentialSource(user.exec);
    return async () => {
      const { token, clientCertificateData: cert, clientKeyData: key } = await source.get();
      return { ...(cert && { cert, key }), ...(token && bearer(token)) };
    };
  }
  if (user.tokenFile) return tokenFileAuthentication(user.tokenFile);
  if (user.token) return async () => bearer(user.token as string);
  if (user.username) return async () => ({ auth: `${user.username}:${user.password ?? ''}` });
  return async () => ({});
}

function tokenFileAuthentication(path: string): () => Promise<RequestOptions> {
  let token = '';
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - readAt > TOKEN_FILE_CACHE_MS) {
      token = (await readFile(path, 'utf8')).trim();
      readAt = performance.now();
    }
    return bearer(token);
  };
}

function bearer(token: string): RequestOptions {
  return { headers: { Authorization: `Bearer ${token}` } };
}

function content(base64: string | undefined, path: string | undefined): Buffer | undefined {
  if (base64) return Buffer.from(base64, 'base64');
  return path ? readFileSync(path) : undefined;
}
