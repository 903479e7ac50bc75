/** Verifies JSONPath, alone and in templates, as kubectl understands it. */

import { expect, it } from 'vitest';
import { parseJsonPath } from '../../src/apimachinery/json-path.ts';
import { parseJsonPathTemplate } from '../../src/apimachinery/json-path-template.ts';

const web = {
  kind: 'Machine',
  metadata: { name: 'web', labels: { 'example.com/tier': 'front', app: 'x' } },
  spec: { replicas: 3 },
  status: {
    addresses: [
      { type: 'Hostname', address: 'web' },
      { type: 'InternalIP', address: '10.0.0.1', port: 22 },
      { type: 'InternalIP', address: '10.0.0.2', port: 80 },
    ],
  },
};
const data = { kind: 'List', items: [web, { kind: 'Machine', metadata: { name: 'db' } }] };

it.each([
  ['.kind', ['List']],
  ['kind', ['List']],
  ['$.kind', ['List']],
  ['@.kind', ['List']],
  ['.items[*].metadata.name', ['web', 'db']],
  ['.items[0].metadata.name', ['web']],
  ['.items[-1].metadata.name', ['db']],
  ['.items[5].metadata.name', []],
  ['.items[-5].metadata.name', []],
  ['.items[5,0].metadata.name', ['web']],
  ['.items[0,1].metadata.name', ['web', 'db']],
  ['.items[0:1].metadata.name', ['web']],
  ['.items[1:].metadata.name', ['db']],
  ['.items[::2].metadata.name', ['web']],
  [String.raw`.items[0].metadata.labels.example\.com/tier`, ['front']],
  [String.raw`.items[0].metadata.labels['example\.com/tier']`, ['front']],
  [`.items[0]['metadata.name', 'kind']`, ['web', 'Machine']],
  [`.items[0]["kind"]`, ['Machine']],
  ['.items[0].metadata.labels.*', ['front', 'x']],
  ['..name', ['web', 'db']],
  ['.items[?(@.metadata.name=="db")].kind', ['Machine']],
  [`.items[?( @.metadata.name == 'db' )].kind`, ['Machine']],
  ['.items[?(@.status)].metadata.name', ['web']],
  ['.items[0].status.addresses[?(@.type=="InternalIP")].address', ['10.0.0.1', '10.0.0.2']],
  ['.items[0].status.addresses[?(@.port>22)].address', ['10.0.0.2']],
  ['.items[0].status.addresses[?(@.port<=22)].address', ['10.0.0.1']],
  ['.items[0].status.addresses[?(@.type!="Hostname")].port', [22, 80]],
  ['.items[?(@.kind==$.items[0].kind)].metadata.name', ['web', 'db']],
  ['.items.metadata', []],
  ['.constructor', []],
  ['.items[*].nothing', []],
])('%s', (path, values) => {
  expect(parseJsonPath(path)(data)).toEqual(values);
});

it.each([
  ['{.kind}', 'List'],
  ['.kind', 'List'],
  ['{.items[*].metadata.name}', 'web db'],
  ['{range .items[*]}{.metadata.name}{"\\t"}{.kind}{"\\n"}{end}', 'web\tMachine\ndb\tMachine\n'],
  [
    '{range .items[*]}{.metadata.name}:{range .status.addresses[*]} {.address}{end};{end}',
    'web: web 10.0.0.1 10.0.0.2;db:;',
  ],
  ['name={.items[0].metadata.name}!', 'name=web!'],
  ['{.items[0].metadata.labels}', '{"example.com/tier":"front","app":"x"}'],
  ['{.items[0].spec.replicas}', '3'],
  ["{.kind}{' and '}{.nothing}", 'List and '],
  ['{.kind "-" .kind}', 'List-List'],
])('template %s', (template, text) => {
  expect(parseJsonPathTemplate(template)(data)).toBe(text);
});

it.each([
  '{.kind',
  '{range .items[*]}{.kind}',
  '{end}',
  '{.items[}',
  '{.items[]}',
  '{.items[?(@.a=~"b")]}',
  '{.items[?(@.a==b)]}',
  '{.items[?(process.exit())]}',
  `{.items['a'}`,
  '{.items[::0]}',
  '{)}',
])('malformed template %s is refused', (template) => {
  expect(() => parseJsonPathTemplate(template)(data)).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration' }),
  );
});
