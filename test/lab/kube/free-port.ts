/** Finds a free TCP port that stays free for a restart. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const FIRST = 10_000;

/**
 * A TCP port of 127.0.0.1 on which nobody listens, for a server that may be stopped and started again: none of those from which the
 * kernel gives one to whoever connects, and so to anybody while the server is away.
 */
export async function freePort(): Promise<number> {
  const [firstOfKernel = 32_768] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .split(/\s+/)
    .map(Number);
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (firstOfKernel - FIRST));
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
