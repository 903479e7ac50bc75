/** Decides whether a kubelet's request of a serving certificate is one of a machine of ours. Pure: evidence in, a verdict out. */

import { type CertificateRequestContent, readCertificateRequest } from '../../system/certificate-request.ts';
import { IpRange } from '../../system/network/ip-range.ts';
import type { ServingRequest } from './serving-request.ts';

/** What is known of a machine without asking its guest. */
export interface MachineEvidence {
  /** The host name that it was given. */
  readonly hostname: string;
  /** Those that its host gave out, and those that its manifest gives it. */
  readonly addresses: readonly string[];
}

/** `refused`: why, for people; without any text of the request. */
export type Read = { readonly claim: ServingClaim } | { readonly refused: string };

/** What the certificate would be good for. */
export interface ServingClaim {
  readonly node: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

const USER_PREFIX = 'system:node:';
const GROUP = 'system:nodes';
/** https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers */
const NEEDED_USAGES = ['digital signature', 'server auth'];
const ALLOWED_USAGES = [...NEEDED_USAGES, 'key encipherment'];
/** Names of Nodes, and so of what a message may name. */
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Reads what a request claims; refused: the request itself is none that a kubelet makes for its own Node. */
export function readClaim({ username, groups, usages, request }: ServingRequest): Read {
  const node = username.startsWith(USER_PREFIX) ? username.slice(USER_PREFIX.length) : '';
  if (!NODE_NAME.test(node)) return { refused: 'its requestor is not a kubelet (system:node:NAME)' };
  if (!groups.includes(GROUP)) return { refused: `its requestor is not in the group ${GROUP}` };
  if (new Set(usages).size !== usages.length || !usages.every((usage) => ALLOWED_USAGES.includes(usage)))
    return { refused: `it asks for usages other than ${ALLOWED_USAGES.join(', ')}` };
  if (!NEEDED_USAGES.every((usage) => usages.includes(usage)))
    return { refused: `it does not ask for the usages ${NEEDED_USAGES.join(' and ')}` };
  const content = contentOf(request);
  if ('refused' in content) return content;
  const refused = refusalOfContent(content, username);
  if (refused !== undefined) return { refused };
  const { dnsNames, ipAddresses } = content;
  return { claim: { node, dnsNames, ipAddresses } };
}

function contentOf(request: string): CertificateRequestContent | { readonly refused: string } {
  try {
    return readCertificateRequest(request);
  } catch (error) {
    if (error instanceof TypeError) return { refused: `it cannot be read: ${error.message}` };
    throw error;
  }
}

function refusalOfContent(
  { subject, dnsNames, ipAddresses, others }: CertificateRequestContent,
  username: string,
): string | undefined {
  const values = (type: 'CN' | 'O') => subject.filter((one) => one.type === type).map(({ value }) => value);
  const [name, ...names] = values('CN');
  if (name !== username || names.length > 0) return 'its common name is not that of its requestor';
  const [organization, ...organizations] = values('O');
  if (organization !== GROUP || organizations.length > 0) return `its organization is not ${GROUP} alone`;
  if (subject.length !== 2) return 'its subject has more than a common name and an organization';
  if (others > 0) return 'it asks for more than DNS names and addresses';
  if (dnsNames.length + ipAddresses.length === 0) return 'it names neither a DNS name nor an address';
  return undefined;
}

/** Returns why a claim is not that of the machine; undefined: all that it names is the machine's. */
export function refusalOfClaim(
  claim: ServingClaim,
  { hostname, addresses }: MachineEvidence,
): string | undefined {
  if (claim.node !== hostname) return 'its Node has not the host name of the machine';
  if (claim.dnsNames.some((name) => name !== hostname))
    return `it asks for a DNS name other than ${hostname}, the host name of the machine`;
  // Of `10.17.3.10/24` the address alone.
  const own = addresses.flatMap((address) => IpRange.parse(address.replace(/\/.*/, '')) ?? []);
  const isOwn = (address: string) => own.some((one) => one.has(address));
  if (claim.ipAddresses.every(isOwn)) return undefined;
  const known = addresses.length > 0 ? addresses.join(', ') : 'none';
  return `it asks for an address that is not known to be the machine's (known by a lease or the manifest: ${known})`;
}
