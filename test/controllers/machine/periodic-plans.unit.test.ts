/** Verifies when Machines have their periodic plans, and how many plans run at the same time. */

import { expect, it } from 'vitest';
import type { Machine } from '../../../src/api/kinds/machine.ts';
import { PeriodicPlans } from '../../../src/controllers/machine/periodic-plans.ts';

const MINUTE = 60_000;
const NOW = Date.parse('2026-01-01T12:00:00Z');

function machine(uid: string, lastPlanTime?: string): Machine {
  const providerStatus = lastPlanTime === undefined ? {} : { lastPlanTime };
  return { metadata: { name: 'a', uid }, status: { providerStatus } } as unknown as Machine;
}

it('machines that were planned at the same time are spread over the interval, and each keeps its time', () => {
  const plans = new PeriodicPlans({ intervalMs: 30 * MINUTE, atOnce: 1 });
  const last = new Date(NOW).toISOString();
  const due = Array.from({ length: 50 }, (_, uid) => plans.dueInMs(machine(`uid-${uid}`, last), NOW) ?? 0);
  expect(Math.min(...due)).toBeGreaterThanOrEqual(27 * MINUTE);
  expect(Math.max(...due)).toBeLessThanOrEqual(33 * MINUTE);
  expect(new Set(due).size).toBe(50);
  expect(plans.dueInMs(machine('uid-0', last), NOW)).toBe(due[0]);
  expect(plans.dueInMs(machine('uid-0', last), NOW + 34 * MINUTE)).toBe(0);
});

it('a machine that was compared after its last status update is due one interval later', () => {
  const plans = new PeriodicPlans({ intervalMs: 30 * MINUTE, atOnce: 1 });
  const written = machine('uid-0', new Date(NOW).toISOString());
  const moment = plans.dueInMs(written, NOW) ?? 0;
  plans.compared(written, NOW + moment);
  expect(plans.dueInMs(written, NOW + moment)).toBe(moment);
  expect(plans.dueInMs(machine('uid-1', new Date(NOW).toISOString()), NOW + 34 * MINUTE)).toBe(0);
  // Another process, or a person, has written another time.
  const rewritten = machine('uid-0', new Date(NOW - 60 * MINUTE).toISOString());
  expect(plans.dueInMs(rewritten, NOW + moment)).toBe(0);
  // Who has no memory of it goes by the status, and looks sooner rather than later.
  expect(new PeriodicPlans({ intervalMs: 30 * MINUTE, atOnce: 1 }).dueInMs(written, NOW + moment)).toBe(0);
});

it('the time in the status is updated once a day', () => {
  const plans = new PeriodicPlans({ intervalMs: 30 * MINUTE, atOnce: 1 });
  const written = machine('uid-0', new Date(NOW).toISOString());
  expect(plans.isOld(written, NOW + 23 * 60 * MINUTE)).toBe(false);
  expect(plans.isOld(written, NOW + 25 * 60 * MINUTE)).toBe(true);
  expect(plans.isOld(machine('uid-0'), NOW)).toBe(true);
});

it('an interval of 0 means never', () => {
  expect(new PeriodicPlans({ intervalMs: 0, atOnce: 1 }).dueInMs(machine('a'), NOW)).toBeUndefined();
});

const key = (name: string) => ({ namespace: 'default', name });

/** Plans that end when the test resolves them. */
function plansToEnd() {
  const ends: (() => void)[] = [];
  return { ends, plan: () => new Promise<string>((resolve) => ends.push(() => resolve('planned'))) };
}

it('no more plans run at once than allowed; the others get a time for their next try', async () => {
  const plans = new PeriodicPlans({ intervalMs: MINUTE, atOnce: 2 });
  const { ends, plan } = plansToEnd();
  const running = [plans.inTurn(key('a'), plan), plans.inTurn(key('b'), plan)];
  expect(await plans.inTurn(key('c'), plan)).toEqual({ retryInMs: expect.any(Number) });
  for (const end of ends) end();
  expect(await Promise.all(running)).toEqual([{ done: 'planned' }, { done: 'planned' }]);
  await expect(plans.inTurn(key('a'), () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await plans.inTurn(key('a'), async () => 'again')).toEqual({ done: 'again' });
});

it('machines that are due at once take turns: each plan that ends, or fails, starts the next one', async () => {
  const woken: string[] = [];
  const wake = ({ name }: { name: string }) => woken.push(name);
  const plans = new PeriodicPlans({ intervalMs: MINUTE, atOnce: 1, wake });
  const { ends, plan } = plansToEnd();
  const first = plans.inTurn(key('a'), plan);
  for (const name of ['b', 'c', 'b', 'd']) await plans.inTurn(key(name), plan);
  ends[0]?.();
  await first;
  expect(woken).toEqual(['b']);
  await expect(plans.inTurn(key('b'), () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  // Who is woken may be gone; the next one who comes has the line go on.
  expect(woken).toEqual(['b', 'c']);
  await plans.inTurn(key('d'), async () => 'planned');
  expect(woken).toEqual(['b', 'c']);
});
