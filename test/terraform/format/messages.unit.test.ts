/** Verifies how terraform's JSON messages are read. */

import { expect, test } from 'vitest';
import { parseMessage } from '../../../src/terraform/format/messages.ts';

// Recorded with Terraform 1.11.4 and provider 0.8.3.
const RESOURCE =
  '"resource":{"addr":"libvirt_volume.v","module":"","resource":"libvirt_volume.v","implied_provider":"libvirt","resource_type":"libvirt_volume","resource_name":"v","resource_key":null}';

test('a planned change says what happens to which resource and why', () => {
  const line = `{"@level":"info","@message":"libvirt_volume.v: Plan to replace","@module":"terraform.ui","@timestamp":"2026-11-23T15:11:29.583036Z","change":{${RESOURCE},"action":"replace","reason":"cannot_update"},"type":"planned_change"}`;
  expect(parseMessage(line)).toEqual({
    type: 'planned_change',
    at: Date.parse('2026-11-23T15:11:29.583Z'),
    change: {
      address: 'libvirt_volume.v',
      type: 'libvirt_volume',
      name: 'v',
      action: 'replace',
      reason: 'cannot_update',
    },
  });
});

test('a finished change carries the id of the object', () => {
  const line = `{"@level":"info","@message":"libvirt_volume.v: Creation complete after 0s [id=/pool/a]","@module":"terraform.ui","@timestamp":"2026-11-23T15:11:29.415092Z","hook":{${RESOURCE},"action":"create","id_key":"id","id_value":"/pool/a","elapsed_seconds":0},"type":"apply_complete"}`;
  expect(parseMessage(line)).toMatchObject({
    type: 'apply_complete',
    id: '/pool/a',
    change: { action: 'create' },
  });
});

test('a diagnostic loses the quoted configuration, which may be user data', () => {
  const line =
    '{"@level":"error","@message":"Error: can\'t find storage pool \'p1\'","@module":"terraform.ui","@timestamp":"2026-11-23T15:11:31.992043Z","diagnostic":{"severity":"error","summary":"can\'t find storage pool \'p1\'","detail":"","address":"libvirt_volume.v","range":{"filename":"cdk.tf.json","start":{"line":3,"column":88,"byte":277},"end":{"line":3,"column":89,"byte":278}},"snippet":{"context":"resource.libvirt_volume.v","code":"\\"user_data\\": \\"token: SECRET\\"","start_line":3,"highlight_start_offset":87,"highlight_end_offset":88,"values":[]}},"type":"diagnostic"}';
  const message = parseMessage(line);
  expect(message).toMatchObject({
    diagnostic: {
      severity: 'error',
      summary: "can't find storage pool 'p1'",
      detail: '',
      address: 'libvirt_volume.v',
      path: 'resource.libvirt_volume.v',
    },
  });
  expect(JSON.stringify(message)).not.toContain('SECRET');
});

test.each([
  ['a line for people', '╷'],
  ['half a line of a killed process', '{"@level":"info","@mess'],
  [
    'a message that says nothing to us',
    '{"@level":"info","@message":"Terraform 1.11.4","type":"version","ui":"1.2"}',
  ],
])('%s is no message', (_, line) => {
  expect(parseMessage(line)).toBeUndefined();
});
