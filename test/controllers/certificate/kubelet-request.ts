/** Makes certificate requests by openssl, as a kubelet makes them, or with one thing changed. */

import { execaSync } from 'execa';
import type { ServingRequest } from '../../../src/controllers/certificate/serving-request.ts';

export interface RequestOptions {
  /** As openssl has it. */
  readonly subject?: string;
  /** As openssl has them, for example `DNS:w0`; empty: none. */
  readonly names?: readonly string[];
  /** Further extensions. */
  readonly extensions?: readonly string[];
}

/** Returns a request in PEM. */
export function requestPem({ subject, names, extensions = [] }: RequestOptions = {}): string {
  const { subject: own, names: ownNames } = KUBELET;
  const list = names ?? ownNames;
  const all = [...(list.length > 0 ? [`subjectAltName=${list.join(',')}`] : []), ...extensions];
  const { stdout } = execaSync('openssl', [
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', '/dev/null', '-subj', subject ?? own, '-batch'],
    ...all.flatMap((one) => ['-addext', one]),
  ]);
  return `${stdout.slice(stdout.indexOf('-----BEGIN'))}\n`;
}

const KUBELET = { subject: '/O=system:nodes/CN=system:node:w0', names: ['DNS:w0', 'IP:10.17.3.20'] };

/** Returns the request that the kubelet of machine w0 makes, with changes. */
export function servingRequest(
  changes: Partial<ServingRequest> = {},
  pem: RequestOptions = {},
): ServingRequest {
  return {
    name: 'csr-1',
    uid: 'u1',
    resourceVersion: '7',
    username: 'system:node:w0',
    groups: ['system:nodes', 'system:authenticated'],
    usages: ['digital signature', 'server auth'],
    request: changes.request ?? requestPem(pem),
    ...changes,
  };
}
