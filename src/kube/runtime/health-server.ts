/** Serves health checks and metrics by HTTP. */

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { http } from '../../system/node-modules.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Returns what is wrong, in a few words; undefined: healthy. */
export type HealthCheck = () => string | undefined;

export interface HealthServerOptions {
  /** Address to listen on; `0.0.0.0` in a pod. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly metrics: Metrics;
  /** By name. A failed one asks for a restart. */
  readonly live: Readonly<Record<string, HealthCheck>>;
  /** By name. A failed one means that the process is not ready yet. */
  readonly ready: Readonly<Record<string, HealthCheck>>;
}

/** Serves `/healthz`, `/readyz` and `/metrics` over plain HTTP. */
export class HealthServer {
  private readonly server: Server;
  private readonly options: HealthServerOptions;

  constructor(options: HealthServerOptions) {
    this.options = options;
    this.server = http().createServer((request, response) => {
      const { status, body } = this.answer(request.url?.split('?')[0]);
      response.writeHead(status, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
    });
  }

  /** Starts to listen, and returns the port. */
  async listen(): Promise<number> {
    this.server.listen(this.options.port, this.options.host);
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private answer(path: string | undefined): { readonly status: number; readonly body: string } {
    switch (path) {
      case '/healthz':
        return report(this.options.live);
      case '/readyz':
        return report(this.options.ready);
      case '/metrics':
        return { status: 200, body: this.options.metrics.expose() };
      default:
        return { status: 404, body: 'there are /healthz, /readyz and /metrics\n' };
    }
  }
}

function report(checks: Readonly<Record<string, HealthCheck>>): {
  readonly status: number;
  readonly body: string;
} {
  const failures = Object.entries(checks).flatMap(([name, check]) => {
    const problem = check();
    return problem === undefined ? [] : `${name}: ${problem}\n`;
  });
  return failures.length === 0 ? { status: 200, body: 'ok\n' } : { status: 503, body: failures.join('') };
}
