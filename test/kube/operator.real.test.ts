/** Verifies leader election and shutdown with whole operator processes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../src/kube/client/client.ts';
import { LeaseKind } from '../../src/kube/client/lease.ts';
import type { KubeLab } from '../lab/kube/kube-lab.ts';
import type { LogLine } from '../telemetry/log-lines.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { labClient, upTestLab } from './test-lab.ts';
import { WidgetKind, widget } from './widget.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let lab: KubeLab;
let client: Client;
const running: ChildProcess[] = [];

beforeAll(async () => {
  lab = await upTestLab();
  client = await labClient(lab);
});

afterAll(async () => {
  client?.close();
  await lab?.down();
});

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await client.delete(LeaseKind, LEASE).catch(() => {});
});

const LEASE = { namespace: 'default', name: 'painter' };
const soon = { timeout: 20_000 };

class Operator {
  readonly lines: LogLine[] = [];
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;

  constructor(identity: string, server: string) {
    const program = fileURLToPath(new URL('operator.ts', import.meta.url));
    this.child = spawn(process.execPath, [program, lab.kubeconfig, identity, server], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    running.push(this.child);
    this.exited = once(this.child, 'exit');
    if (this.child.stderr)
      createInterface(this.child.stderr).on('line', (line) => this.lines.push(JSON.parse(line) as LogLine));
  }

  static async start(identity: string, awaited: string, server = lab.url): Promise<Operator> {
    const operator = new Operator(identity, server);
    await operator.says(awaited);
    return operator;
  }

  async says(message: string): Promise<LogLine> {
    await expect.poll(() => this.lines.map((line) => line.message), soon).toContain(message);
    return this.lines.find((line) => line.message === message) as LogLine;
  }

  async fetch(path: string): Promise<{ status: number; text: string }> {
    const { port } = await this.says('Starting');
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  }
}

const phaseOf = async (name: string) =>
  (await client.get(WidgetKind, { namespace: 'default', name }))?.status?.phase;
const holder = async () => (await client.get(LeaseKind, LEASE))?.spec.holderIdentity;

it('reconciles, and can be watched', async () => {
  const operator = await Operator.start('watched', 'Working');
  await client.create(WidgetKind, widget('watched'));
  await expect.poll(() => phaseOf('watched'), soon).toBe('painted by watched');
  expect(await operator.says('Painted')).toMatchObject({
    controller: 'painter',
    object: 'default/watched',
    reconcileId: expect.stringMatching(/^[0-9a-f]{8}$/),
  });
  expect(await operator.fetch('/healthz')).toEqual({ status: 200, text: 'ok\n' });
  expect(await operator.fetch('/readyz')).toEqual({ status: 200, text: 'ok\n' });
  expect((await operator.fetch('/else')).status).toBe(404);
  const { text } = await operator.fetch('/metrics');
  expect(text).toContain('leader_election_master_status{name="painter"} 1\n');
  expect(text).toMatch(/^controller_reconcile_total\{controller="painter",result="success"\} \d+$/m);
  expect(text).toMatch(/^workqueue_depth\{name="painter"\} 0$/m);
});

describe('SIGTERM', () => {
  it('lets what runs end, begins nothing, gives the lease back and exits with 0', async () => {
    const operator = await Operator.start('terminated', 'Working');
    for (const name of ['one', 'two', 'three', 'four', 'five'])
      await client.create(WidgetKind, widget(name, { size: 20 }));
    await expect
      .poll(() => operator.lines.filter(({ message }) => message === 'Painting').length, soon)
      .toBe(4);
    operator.child.kill('SIGTERM');
    expect(await operator.exited).toEqual([0, null]);

    const phases = await Promise.all(['one', 'two', 'three', 'four', 'five'].map(phaseOf));
    expect(phases.filter((phase) => phase === 'painted by terminated')).toHaveLength(4);
    expect(await holder()).toBe('');
    expect(operator.lines.slice(-2).map(({ message }) => message)).toEqual(['Released the lease', 'Stopped']);
  });

  it('ends an operator that waits for the lease', async () => {
    await Operator.start('leader', 'Working');
    const standby = await Operator.start('standby', 'Waiting for the lease');
    expect((await standby.fetch('/readyz')).status).toBe(200);
    standby.child.kill('SIGTERM');
    expect(await standby.exited).toEqual([0, null]);
    expect(await holder()).toBe('leader');
  });
});

describe('two operators', () => {
  it('of which one works: the other takes over after the leader was killed', async () => {
    const first = await Operator.start('first', 'Working');
    const second = await Operator.start('second', 'Waiting for the lease');
    await client.create(WidgetKind, widget('before'));
    await expect.poll(() => phaseOf('before'), soon).toBe('painted by first');

    first.child.kill('SIGKILL');
    await client.create(WidgetKind, widget('after'));
    await expect.poll(() => phaseOf('after'), soon).toBe('painted by second');
    expect(
      second.lines.filter(({ message }) => message === 'Painting').map(({ object }) => object),
    ).not.toContain('default/before');
    expect((await client.get(LeaseKind, LEASE))?.spec.leaseTransitions).toBe(1);
  });

  it('hand over without waiting for the lease to expire when the leader is stopped', async () => {
    const first = await Operator.start('first', 'Working');
    const second = await Operator.start('second', 'Waiting for the lease');
    first.child.kill('SIGTERM');
    await first.exited;
    expect(await holder()).not.toBe('first');
    await second.says('Working');
  });
});

describe('a leader that lost its lease', () => {
  it('to another holder ends its work and exits with 1', async () => {
    const operator = await Operator.start('robbed', 'Working');
    await client.create(WidgetKind, widget('robbed', { size: 20 }));
    await operator.says('Painting');
    // Until the lease is not renewed right between our read and write.
    await expect
      .poll(() => client.patch(LeaseKind, LEASE, { spec: { holderIdentity: 'thief' } }).then(holder), soon)
      .toBe('thief');
    expect(await operator.exited).toEqual([1, null]);
    expect(await phaseOf('robbed')).toBe('painted by robbed');
    expect(await holder()).toBe('thief');
    expect(operator.lines.at(-1)).toMatchObject({
      message: 'Operator failed',
      error: 'lost the lease default/painter: held by thief now',
    });
  });

  it('because the API server is out of reach stops before another may start', async () => {
    const proxy = await TcpProxy.to(lab.url);
    const cutOff = await Operator.start('cut-off', 'Working', proxy.url.href);
    const other = await Operator.start('other', 'Waiting for the lease');
    proxy.block();
    expect(await cutOff.exited).toEqual([1, null]);
    expect(cutOff.lines.at(-1)?.['error']).toContain('lost the lease default/painter: not renewed for 2 s');
    const taken = await other.says('Working');
    expect(String(cutOff.lines.at(-1)?.['time']) < String(taken['time'])).toBe(true);
    await proxy.close();
  });

  it('because it was deleted creates it again', async () => {
    const operator = await Operator.start('persistent', 'Working');
    await client.delete(LeaseKind, LEASE);
    await expect.poll(holder, soon).toBe('persistent');
    expect(operator.child.exitCode).toBeNull();
  });

  it('keeps it through a short outage', async () => {
    const proxy = await TcpProxy.to(lab.url);
    const operator = await Operator.start('patient', 'Working', proxy.url.href);
    proxy.block();
    await sleep(1_000); // Half of the time that it has to renew.
    proxy.restore();
    await client.create(WidgetKind, widget('patient'));
    await expect.poll(() => phaseOf('patient'), soon).toBe('painted by patient');
    expect(operator.child.exitCode).toBeNull();
    await proxy.close();
  });
});
