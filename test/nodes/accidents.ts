/** Kills the controller again and again while a cluster comes up, and restarts libvirtd under it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../faults/random.ts';
import type { NodeWorld } from './node-world.ts';

export const KILLS = 10;

/** Milliseconds that a life of the controller has at most: short ones while machines are made, longer ones while guests boot. */
const SHORT_LIFE_MS = 8_000;
const LONG_LIFE_MS = 24_000;

export const SEED = Number(process.env['CAPLV_NODES_SEED'] ?? Random.newSeed());

/**
 * Kills the controller `KILLS` times with SIGKILL, each time at a random moment of its life, and starts it again. In the middle libvirtd is
 * restarted, which leaves the guests running. Ends early when `signal` aborts. Returns how many kills there were.
 */
export async function accidents(world: NodeWorld, signal: AbortSignal): Promise<number> {
  const random = new Random(SEED);
  for (let kills = 0; kills < KILLS; kills += 1) {
    const most = kills % 2 === 0 ? SHORT_LIFE_MS : LONG_LIFE_MS;
    await sleep(random.next() * most, undefined, { signal }).catch(() => {});
    if (signal.aborted) return kills;
    await world.crash();
    if (kills === KILLS / 2) await world.restartLibvirtd();
  }
  return KILLS;
}
