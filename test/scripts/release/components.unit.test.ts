/** Verifies that clusterctl accepts the components of a release. */

import { expect, it } from 'vitest';
import { escapeVariables, withImage } from '../../../scripts/release/components.ts';

it('clusterctl takes no description for a variable that the user must give', () => {
  expect(escapeVariables('inline, ${CAPLV_…} variables are filled in; pattern: ^a$')).toBe(
    'inline, $${CAPLV_…} variables are filled in; pattern: ^a$',
  );
});

it('the controller runs from the image that is released', () => {
  expect(withImage('        image: caplv:0.1.0\n', 'registry.example.com/caplv@sha256:0')).toBe(
    '        image: registry.example.com/caplv@sha256:0\n',
  );
  expect(() => withImage('image: other:1\n', 'a.example/a:1')).toThrow('name no image');
});

it('an image that clusterctl would refuse is refused before it is released', () => {
  expect(() => withImage('image: caplv:0.1.0\n', 'caplv:0.1.0')).toThrow(
    '--image caplv:0.1.0: name its registry too, for example docker.io/library/caplv:0.1.0',
  );
  expect(withImage('image: caplv:0.1.0\n', 'localhost/caplv:1')).toBe('image: localhost/caplv:1\n');
});
