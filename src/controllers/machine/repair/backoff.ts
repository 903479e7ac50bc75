/** A guest that dies right after each start, or that somebody else stops again and again, is not started in a hot loop. */

/** Repairs of one machine in a row, as its status keeps them. */
export interface RepairRow {
  readonly count: number;
  /** Of the last one, RFC 3339. */
  readonly time: string;
}

const FIRST_MS = 10_000;
const LONGEST_MS = 5 * 60_000;
/** A repair that has held for this long ends the row. */
const HEALED_MS = 10 * 60_000;

/** Milliseconds until the next repair may begin: none before the first, then 10 s after the last one, doubled each time. */
export function repairDelayMs(row: RepairRow | undefined, nowMs: number): number {
  if (row === undefined || isOver(row, nowMs)) return 0;
  return Math.max(0, Date.parse(row.time) + pauseMs(row.count) - nowMs);
}

/** The row with a repair that begins now. */
export function nextRow(row: RepairRow | undefined, nowMs: number): RepairRow {
  const count = row === undefined || isOver(row, nowMs) ? 1 : row.count + 1;
  return { count, time: new Date(nowMs).toISOString() };
}

function isOver({ count, time }: RepairRow, nowMs: number): boolean {
  return nowMs - Date.parse(time) > pauseMs(count) + HEALED_MS;
}

function pauseMs(count: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(count - 1, 20));
}
