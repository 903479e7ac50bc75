/** Verifies which certificate requests are approved: whoever gets one too many can pose as another Node, or as the API server. */

import { expect, it } from 'vitest';
import {
  type MachineEvidence,
  readClaim,
  refusalOfClaim,
} from '../../../src/controllers/certificate/verdict.ts';
import { type RequestOptions, requestPem, servingRequest } from './kubelet-request.ts';

const machine: MachineEvidence = { hostname: 'w0', addresses: ['10.17.3.20', 'fd00::20/64'] };

function refusal(request: ReturnType<typeof servingRequest>, evidence = machine): string | undefined {
  const read = readClaim(request);
  return 'refused' in read ? read.refused : refusalOfClaim(read.claim, evidence);
}

const whole = requestPem();
const wrapped = (text: string) => whole.replace(/\n(.*)\n/, `\n${text}\n`);

it.each<[string, ReturnType<typeof servingRequest>]>([
  ['what a kubelet asks for', servingRequest()],
  ['an RSA key', servingRequest({ usages: ['key encipherment', 'server auth', 'digital signature'] })],
  ['addresses alone', servingRequest({}, { names: ['IP:10.17.3.20'] })],
  ['a name alone', servingRequest({}, { names: ['DNS:w0'] })],
  ['IPv6 in another spelling', servingRequest({}, { names: ['IP:fd00:0:0::20'] })],
  ['the common name first', servingRequest({}, { subject: '/CN=system:node:w0/O=system:nodes' })],
])('approves a request of the machine: %s', (_, request) => {
  expect(refusal(request)).toBeUndefined();
});

it.each<[string, Parameters<typeof servingRequest>[0], RequestOptions, string]>([
  ['a user', { username: 'eve' }, {}, 'its requestor is not a kubelet'],
  ['a user called like a Node', { username: 'w0' }, {}, 'its requestor is not a kubelet'],
  ['a Node without a name', { username: 'system:node:' }, {}, 'its requestor is not a kubelet'],
  ['a Node of another name', { username: 'system:node:w1' }, {}, 'its common name is not that'],
  ['somebody outside the group', { groups: ['system:authenticated'] }, {}, 'not in the group system:nodes'],
  ['client auth too', { usages: ['digital signature', 'server auth', 'client auth'] }, {}, 'usages other'],
  ['client auth instead', { usages: ['digital signature', 'client auth'] }, {}, 'usages other than'],
  ['signing of certificates', { usages: ['server auth', 'cert sign'] }, {}, 'usages other than'],
  ['no server auth', { usages: ['digital signature'] }, {}, 'does not ask for the usages'],
  ['a usage twice', { usages: ['server auth', 'server auth'] }, {}, 'usages other than'],
  ['the name of another Node', {}, { subject: '/O=system:nodes/CN=system:node:w1' }, 'its common name'],
  ['two names', {}, { subject: '/O=system:nodes/CN=system:node:w0/CN=admin' }, 'its common name'],
  ['no name', {}, { subject: '/O=system:nodes' }, 'its common name is not that of its requestor'],
  ['the group of admins', {}, { subject: '/O=system:masters/CN=system:node:w0' }, 'its organization'],
  ['two groups', {}, { subject: '/O=system:nodes/O=system:masters/CN=system:node:w0' }, 'its organization'],
  ['no group', {}, { subject: '/CN=system:node:w0' }, 'its organization is not system:nodes alone'],
  ['more in its subject', {}, { subject: '/O=system:nodes/CN=system:node:w0/OU=x' }, 'has more than'],
  ['the name of another machine', {}, { names: ['DNS:w0', 'DNS:w1'] }, 'a DNS name other than w0'],
  ['the API server', {}, { names: ['DNS:kubernetes.default.svc'] }, 'a DNS name other than w0'],
  ['any name', {}, { names: ['DNS:*'] }, 'a DNS name other than w0'],
  ['the address of another machine', {}, { names: ['IP:10.17.3.20', 'IP:10.17.3.21'] }, 'an address that'],
  ['an address of the same network', {}, { names: ['IP:fd00::21'] }, 'an address that is not known'],
  ['nothing', {}, { names: [] }, 'it names neither a DNS name nor an address'],
  ['a URI', {}, { names: ['DNS:w0', 'URI:spiffe://a/b'] }, 'more than DNS names and addresses'],
  ['a mail address', {}, { names: ['DNS:w0', 'email:a@b.c'] }, 'more than DNS names and addresses'],
  ['to be an authority', {}, { extensions: ['basicConstraints=CA:TRUE'] }, 'more than DNS names and'],
  ['text around the request', { request: `x\n${whole}` }, {}, 'not one block CERTIFICATE REQUEST in PEM'],
  ['a second request', { request: whole + whole }, {}, 'not one block CERTIFICATE REQUEST in PEM'],
  ['what is no request', { request: wrapped('AAAA') }, {}, 'it cannot be read'],
  ['nothing at all', { request: '' }, {}, 'it cannot be read'],
])('refuses %s', (_, changes, pem, reason) => {
  expect(refusal(servingRequest(changes, pem))).toContain(reason);
});

it('refuses addresses of a machine that none was seen of, and says which are known', () => {
  const none = { hostname: 'w0', addresses: [] };
  expect(refusal(servingRequest(), none)).toContain('known by a lease or the manifest: none');
  expect(refusal(servingRequest(), { hostname: 'w1', addresses: [] })).toContain('the host name');
});
