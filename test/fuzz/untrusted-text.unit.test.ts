/**
 * What tenants, hosts and API servers send, made up: none of it ends the process, and each that cannot be read is refused by the error that
 * its caller expects. The texts are the same at every run; CAPLV_FUZZ_SEED makes others, CAPLV_FUZZ_RUNS more.
 */

import * as fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { readNode } from '../../src/app/workload-node.ts';
import { connectionFromText } from '../../src/kube/client/kubeconfig.ts';
import { DomainXmlCache } from '../../src/libvirt/domain-cache.ts';
import { LibvirtError } from '../../src/libvirt/libvirt-error.ts';
import { UnreadableXml } from '../../src/libvirt/xml.ts';
import { parseState, StateCorruptError } from '../../src/terraform/format/state.ts';

vi.setConfig({ testTimeout: 600_000 });

const SEED = Number(process.env['CAPLV_FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['CAPLV_FUZZ_RUNS'] ?? 50);
const options = { numRuns: RUNS, seed: SEED };

console.info(`CAPLV_FUZZ_SEED=${SEED} CAPLV_FUZZ_RUNS=${RUNS}`);

/** Pieces of a language, in any order and number, some of them very often. */
function textOf(...pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 8 }));
  const repeated = fc.tuple(piece, fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3_000 })));
  return fc
    .array(repeated, { maxLength: 12 })
    .map((all) => all.map(([text, times]) => text.repeat(times)).join(''));
}

/** A value in the place of one part of a document, at any depth. */
function mutated(document: object): fc.Arbitrary<string> {
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constant({ length: 2 ** 31 }),
    fc.constant({ toString: 1 }),
    fc.constant('DEEP'),
  );
  return fc.tuple(fc.nat(), odd).map(([place, value]) => {
    let at = 0;
    const paths = Array.from(placesIn(document));
    const replace = (node: unknown): unknown => {
      at += 1;
      if (at - 1 === place % paths.length) return value;
      if (Array.isArray(node)) return node.map(replace);
      if (typeof node !== 'object' || node === null) return node;
      return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, replace(child)]));
    };
    return JSON.stringify(replace(document)).replace('"DEEP"', '['.repeat(20_000) + ']'.repeat(20_000));
  });
}

function* placesIn(node: unknown): Generator<unknown> {
  yield node;
  if (typeof node === 'object' && node !== null)
    for (const child of Object.values(node)) yield* placesIn(child);
}

const KUBECONFIG = {
  'current-context': 'c',
  clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1', 'certificate-authority-data': 'eA==' } }],
  users: [{ name: 'u', user: { token: 't', 'client-key-data': 'eA==' } }],
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
};

it('a kubeconfig is a connection, or an error that says where it stands', () => {
  const text = fc.oneof(
    mutated(KUBECONFIG),
    textOf(
      '{',
      '}',
      '[',
      ']',
      ': ',
      '- ',
      '? ',
      '&a ',
      '*a ',
      '\n',
      ' ',
      '"',
      "'",
      '|\n',
      '%a\n',
      '---\n',
      '!t ',
      '#',
      ', ',
    ),
  );
  fc.assert(
    fc.property(text, (kubeconfig) => {
      try {
        expect(connectionFromText(kubeconfig, 'Secret a/b', async () => undefined).server).toBeInstanceOf(
          URL,
        );
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    options,
  );
});

const STATE = {
  version: 4,
  serial: 6,
  lineage: 'l',
  outputs: { id: { value: 'x', sensitive: true } },
  resources: [
    {
      mode: 'managed',
      type: 'libvirt_domain',
      name: 'd',
      instances: [{ index_key: 0, attributes: { id: 'x' } }],
    },
  ],
};

it('a state is read, or corrupt', () => {
  fc.assert(
    fc.property(fc.oneof(mutated(STATE), textOf('{', '}', '[', ']', '"', ':', ',', '1')), (text) => {
      try {
        for (const { address, attributes } of parseState(text)?.resources ?? []) {
          expect([typeof address, typeof attributes]).toEqual(['string', 'object']);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(StateCorruptError);
      }
    }),
    options,
  );
});

const NODE = {
  metadata: { name: 'n', uid: 'u', resourceVersion: '1' },
  spec: { providerID: 'libvirt:///x' },
  status: {
    addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
    conditions: [{ type: 'Ready', status: 'True' }],
  },
};

it('a Node is read, or left out with the field that it is left out for', () => {
  fc.assert(
    fc.property(mutated(NODE), (text) => {
      const read = readNode(JSON.parse(text));
      if ('node' in read) expect(read.node.metadata.name).not.toBe('');
      else expect(read.problem).toMatch(/^[\w.]*: /);
    }),
    options,
  );
});

it('the definition of a domain is read, or unreadable', async () => {
  const xml = textOf(
    '<domain>',
    '</domain>',
    '<a>',
    '</a>',
    '<a/>',
    '<',
    '>',
    '&',
    '&amp;',
    '&lt',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<!DOCTYPE x [',
    '<!ENTITY a "b">',
    ' a="',
    "'",
    '<__proto__/>',
    '<metadata>',
    '</metadata>',
  );
  await fc.assert(
    fc.asyncProperty(xml, async (text) => {
      const [read] = await new DomainXmlCache().read([`<domain><name>a</name>${text}`]);
      expect(read instanceof UnreadableXml || typeof read?.name === 'string').toBe(true);
    }),
    options,
  );
});

it('what virsh says is an error of a known code', () => {
  const said = textOf(
    'error: ',
    'failed to connect ',
    'socket ',
    "'",
    'Permission denied (',
    'certificate ',
    '\n',
    "pool '",
    ' not found: no ',
  );
  fc.assert(
    fc.property(said, (text) => {
      expect(LibvirtError.fromStderr('test:///default', 'list', text)).toBeInstanceOf(LibvirtError);
    }),
    options,
  );
});
