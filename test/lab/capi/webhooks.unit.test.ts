/** Verifies that webhooks and conversions are redirected to a local manager. */

import { expect, it } from 'vitest';
import { atLoopback, type WebhookObject } from './webhooks.ts';

const server = { port: 9443, ca: 'pem' };
const caBundle = Buffer.from('pem').toString('base64');

it.each<[string, WebhookObject, WebhookObject]>([
  [
    'a webhook keeps its path and loses its Service',
    { webhooks: [{ clientConfig: { service: { path: '/validate-machine' } } }] },
    { webhooks: [{ clientConfig: { url: 'https://127.0.0.1:9443/validate-machine', caBundle } }] },
  ],
  [
    'so does the conversion of a kind',
    { spec: { conversion: { webhook: { clientConfig: { service: { path: '/convert' } } } } } },
    {
      spec: {
        conversion: { webhook: { clientConfig: { url: 'https://127.0.0.1:9443/convert', caBundle } } },
      },
    },
  ],
  [
    'one that was rewritten before gets the new port',
    { webhooks: [{ clientConfig: { url: 'https://127.0.0.1:1/mutate', caBundle: 'old' } }] },
    { webhooks: [{ clientConfig: { url: 'https://127.0.0.1:9443/mutate', caBundle } }] },
  ],
  ['a kind that is not converted stays as it is', { spec: {} }, { spec: {} }],
])('%s', (_, object, expected) => {
  atLoopback(object, server);
  expect(object).toEqual(expected);
});
