/** Verifies lookups and indexes of the cache. */

import { expect, it } from 'vitest';
import { ObjectCache } from '../../../src/kube/runtime/cache.ts';
import { type Widget, widget } from '../widget.ts';

const color = ({ spec }: Widget) => (spec.color ? [spec.color] : []);
const initial = ({ metadata: { name } }: Widget) => [name.slice(0, 1)];

function filledCache(): ObjectCache<Widget> {
  const cache = new ObjectCache<Widget>();
  cache.addIndex('color', color);
  cache.set(widget('a', { color: 'red' }));
  cache.set(widget('b', { color: 'red' }));
  cache.set(widget('c'));
  return cache;
}

const names = (widgets: readonly Widget[]) => widgets.map(({ metadata }) => metadata.name);

it('finds by key, namespace and index', () => {
  const cache = filledCache();
  expect(cache.get({ namespace: 'default', name: 'a' })?.spec).toEqual({ color: 'red' });
  expect(names(cache.list('default'))).toEqual(['a', 'b', 'c']);
  expect(cache.list('other')).toEqual([]);
  expect(names(cache.byIndex('color', 'red'))).toEqual(['a', 'b']);
  expect(() => cache.byIndex('colour', 'red')).toThrow('no index named colour; there are: color');
});

it('keeps indexes true when objects change or go', () => {
  const cache = filledCache();
  expect(cache.set(widget('a', { color: 'blue' }))?.spec.color).toBe('red');
  cache.delete(widget('b'));
  expect(cache.byIndex('color', 'red')).toEqual([]);
  expect(names(cache.byIndex('color', 'blue'))).toEqual(['a']);
});

it('indexes what it knows already, once for all who need an index', () => {
  const cache = filledCache();
  cache.addIndex('initial', initial);
  cache.addIndex('initial', initial);
  expect(names(cache.byIndex('initial', 'b'))).toEqual(['b']);
  expect(() => cache.addIndex('initial', color)).toThrow('there is another index named initial');
});

it('does not let a controller change what the others see', () => {
  const object = filledCache().get({ namespace: 'default', name: 'a' }) as Widget;
  expect(() => {
    object.spec.color = 'blue';
  }).toThrow(TypeError);
});
