/** `caplv get`. Hosts are asked about machines before all that reads and shows their answers is loaded: they take as long. */

import { type GetFlags, prefetchMachines } from '../session/get-request.ts';

export async function getCommand(
  kindName: string,
  name: string | undefined,
  flags: GetFlags,
): Promise<number> {
  const isOver = new AbortController();
  try {
    const asked = await prefetchMachines(kindName, name, flags, isOver.signal);
    const { get } = await import('./get-objects.ts');
    return await get(kindName, name, flags, asked);
  } finally {
    isOver.abort();
  }
}
