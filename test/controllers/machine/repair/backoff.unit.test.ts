/** Verifies the delays between repairs of one machine. */

import { expect, it } from 'vitest';
import {
  nextRow,
  type RepairRow,
  repairDelayMs,
} from '../../../../src/controllers/machine/repair/backoff.ts';

const START = Date.parse('2026-01-01T12:00:00Z');

it('a machine that dies right after each repair is repaired less and less often, but at least each five minutes', () => {
  let row: RepairRow | undefined;
  let now = START;
  const waits: number[] = [];
  for (let repair = 0; repair < 8; repair++) {
    const wait = repairDelayMs(row, now);
    waits.push(wait / 1_000);
    now += wait;
    row = nextRow(row, now);
  }
  expect(waits).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
  expect(row?.count).toBe(8);
});

it('a repair that lasted resets the delay: the next one starts at once', () => {
  const row = { count: 5, time: new Date(START).toISOString() };
  const later = START + (160 + 600) * 1_000 + 1;
  expect(repairDelayMs(row, later)).toBe(0);
  expect(nextRow(row, later).count).toBe(1);
  expect(nextRow(row, later - 2).count).toBe(6);
});
