/** Generates libvirt XML with unusual parts, and fragments of it. */

import fc from 'fast-check';
import { hostileText } from '../hostile.ts';
import { pieces } from './json.ts';

const MANY = 5_000;

const PIECES = [
  ...[
    '<domain>',
    '</domain>',
    '<network>',
    '<a>',
    '</a>',
    '<a/>',
    '<',
    '>',
    '/>',
    '&',
    '&amp;',
    '&lt',
    '&#0;',
    '&#x110000;',
    '&a;',
  ],
  ...[
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<?xml version="1.0"?>',
    '<!DOCTYPE x [',
    '<!ENTITY a "b">',
    ']>',
    ' a="',
    "'",
    '"',
  ],
  ...[
    '<__proto__/>',
    '<constructor/>',
    '<toString/>',
    '<metadata>',
    '</metadata>',
    ' xmlns:x="y"',
    '<x:y/>',
    '\0',
    '\ud800',
  ],
];

/** Elements, or what looks like them, for any place between two others. */
const ODD: readonly string[] = [
  '<__proto__>x</__proto__>',
  '<constructor><prototype>x</prototype></constructor>',
  '<toString/><valueOf/><hasOwnProperty/>',
  '<name>a</name><name>b</name>',
  '<uuid/><uuid>x</uuid>',
  '<memory unit="KiB">-1</memory><vcpu>NaN</vcpu>',
  '<memory>1e999</memory><vcpu>99999999999999999999999</vcpu>',
  '<!DOCTYPE domain [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>&b;',
  '&#0;&#1;&#xd800;&#x110000;',
  '<![CDATA[<name>x</name>]]>',
  '<?program x?>',
  '<!-- <name>x</name>',
  '<metadata><a></metadata>',
  '<interface type="network"><mac/></interface>',
  '<disk><source file=""/><target/></disk>',
  '<ip address="999.0.0.1" netmask="a.b.c.d"><dhcp><host/><host ip="x"/></dhcp></ip>',
  '<ip address="10.0.0.1" prefix="-1"/><ip address="10.0.0.1" prefix="1e9"/>',
  '<a>'.repeat(60) + '</a>'.repeat(60),
  '<a>'.repeat(MANY),
  '<a/>'.repeat(MANY),
  `<a ${Array.from({ length: MANY }, (_, i) => `b${i}="c"`).join(' ')}/>`,
  `<a b="${'c'.repeat(200_000)}"/>`,
  `<a ${' '.repeat(200_000)}/>`,
  `<${'a'.repeat(100_000)}/>`,
];

const odd = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...ODD) },
  { weight: 1, arbitrary: hostileText },
  { weight: 1, arbitrary: pieces(PIECES, 500) },
);

/** One of `documents` with something odd between two tags or in place of a text or attribute. */
export function xmlText(...documents: readonly string[]): fc.Arbitrary<string> {
  const changed = fc
    .tuple(fc.constantFrom(...documents), fc.array(fc.tuple(fc.nat(), odd), { maxLength: 3 }))
    .map(([document, changes]) =>
      changes.reduce((text, [place, what]) => {
        const gaps = [...text.slice(0, 50_000).matchAll(/>|="|'/g)].map(
          ({ index, 0: found }) => index + found.length,
        );
        const at = gaps[place % Math.max(gaps.length, 1)] ?? 0;
        return text.slice(0, at) + what + text.slice(at);
      }, document),
    );
  const cut = fc
    .tuple(changed, fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([text, part]) => text.slice(0, Math.floor(part * text.length)));
  return fc.oneof(
    { weight: 5, arbitrary: changed },
    { weight: 1, arbitrary: cut },
    { weight: 3, arbitrary: pieces(PIECES, 3_000) },
  );
}
