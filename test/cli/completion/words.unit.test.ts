/** Verifies what Tab offers, by the command tree itself. */

import { expect, it } from 'vitest';
import { completionOf } from '../../../src/cli/completion/words.ts';
import { commandTree } from '../../../src/cli/program.ts';

const program = commandTree(() => {});
const at = (...typed: readonly string[]) => completionOf(program, typed);

it.each([
  [['roll'], ['rollout']],
  [
    ['rollout', ''],
    ['status', 'history', 'undo', 'restart', 'pause', 'resume'],
  ],
  [
    ['rollout', 're'],
    ['restart', 'resume'],
  ],
  [
    ['get', 'machines'],
    ['machines', 'machinesets'],
  ],
  [
    ['get', 'machine'],
    ['machines', 'machinesets', 'machinedeployments', 'machinehealthchecks'],
  ],
  [['-n', 'lab', 'get', 'cl'], ['clusters']],
  [['get', '--show'], ['--show-labels']],
  [['state', 'list', '--kube'], ['--kubeconfig']],
  [['get', '--state-d'], ['--state-dir']],
  [['apply', '--dry-run=s'], ['--dry-run=server']],
  [['apply', '--dry-run', '=', 's'], ['--dry-run=server']],
  [
    ['plan', '-o', ''],
    ['json', 'yaml'],
  ],
  [['completion', 'b'], ['bash']],
  [['apply', '-f', ''], []],
  [['register', ''], []],
  [['regist'], []],
])('%j offers %j', (typed, words) => {
  expect(at(...typed).words).toEqual(words);
});

it.each([
  [['get', 'machines', ''], 'machines', ''],
  [['get', 'machine/we'], 'machine', 'machine/'],
  [['delete', 'machine/web', 'ms/'], 'ms', 'ms/'],
  [['describe', 'md', 'web', 'd'], 'md', ''],
  [['console', ''], 'machines', ''],
  [['console', '--print', 'w'], 'machines', ''],
  [['state', 'list', ''], 'machines', ''],
  [['kubeconfig', ''], 'clusters', ''],
  [['rollout', 'undo', 'machinedeployment', ''], 'machinedeployment', ''],
  [['get', '-n', 'lab', 'machines', ''], 'machines', ''],
])('%j offers names of %s', (typed, kindName, prefix) => {
  expect(at(...typed).objects).toEqual({ kindName, prefix });
});

it('names come from the store that the line names', () => {
  const { flags } = at('get', '--kubeconfig', '/k', '-n=lab', 'machines', '');
  expect(Object.fromEntries(flags)).toEqual({ kubeconfig: '/k', namespace: 'lab' });
});

it.each([
  ['console', 'web', ''],
  ['get', 'machine/web', '-o', ''],
  ['nothing', ''],
])('%j offers no names', (...typed) => {
  expect(at(...typed).objects).toBeUndefined();
});
