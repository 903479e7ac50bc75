/** Starts the libvirt host of a benchmark without a cluster. */

import { Lab } from '../lab/lab.ts';
import type { Bench } from './benchmark.ts';
import type { Bed } from './ways.ts';

/** A libvirt host of its own, without a cluster, until the benchmark ends. */
export async function standaloneBed(bench: Bench, name: string): Promise<Bed> {
  const rising = Lab.up({ name, fresh: true });
  // Also one that is still on its way up.
  bench.defer(() => rising.then((lab) => lab.down()));
  const lab = await rising;
  return bedOf(lab, bench.directory);
}

export function bedOf(lab: Lab, directory: string): Bed {
  const [host] = lab.hosts;
  if (!host) throw new Error('the lab has no host');
  return { uri: host.uri, image: lab.imagePath, directory, env: lab.env() };
}
