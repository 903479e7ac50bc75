/** `caplv get`. Hosts are asked about machines before all that reads and shows their answers is loaded: they take as long. */

import { parseLabelSelector } from '../../apimachinery/label-selector.ts';
import { parseObjectArguments } from '../names/object-arguments.ts';
import { type GetFlags, prefetchMachines } from '../objects/get-request.ts';

export async function getCommand(words: readonly string[], flags: GetFlags): Promise<number> {
  const requests = parseObjectArguments(words);
  parseLabelSelector(flags.selector ?? '');
  const isOver = new AbortController();
  try {
    const asked = await prefetchMachines(requests, flags, isOver.signal);
    const { get } = await import('./get-objects.ts');
    return await get(requests, flags, asked);
  } finally {
    isOver.abort();
  }
}
