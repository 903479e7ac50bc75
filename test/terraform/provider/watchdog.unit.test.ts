/** Verifies when a provider counts as hung. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Message } from '../../../src/terraform/format/messages.ts';
import { LEAST_BYTES_PER_SECOND, Watchdog } from '../../../src/terraform/provider/watchdog.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const LIMITS = { limitMs: 20_000, applies: true, lockTimeoutMs: 10_000, stallMs: 60_000, deleteMs: 300_000 };

function change(type: 'apply_start' | 'apply_complete', resource: string): Message {
  return { type, at: 0, change: { address: `${resource}.r`, type: resource, name: 'r', action: 'create' } };
}

const refreshStart: Message = { type: 'refresh_start', at: 0, address: 'libvirt_volume.v' };
const refreshComplete: Message = { type: 'refresh_complete', at: 0, address: 'libvirt_volume.v' };

/** How often the provider counted as hung, a minute after these messages. */
function hungAfter(...messages: Message[]): number {
  let hung = 0;
  const watchdog = new Watchdog({ ...LIMITS, activity: () => undefined, onHung: () => hung++ });
  for (const message of messages) watchdog.see(message);
  vi.advanceTimersByTime(60_000);
  watchdog.stop();
  return hung;
}

test('a provider that does not connect hangs, but not while terraform may still wait for its lock', () => {
  const onHung = vi.fn<() => void>();
  new Watchdog({ ...LIMITS, activity: () => undefined, onHung });
  vi.advanceTimersByTime(29_999);
  expect(onHung).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onHung).toHaveBeenCalledOnce();
});

test('a provider that does not connect again, to make what it has planned, hangs', () => {
  const planned: Message = { type: 'change_summary', at: 0, operation: 'plan' };
  const made: Message = { type: 'change_summary', at: 0, operation: 'apply' };
  const others = change('apply_start', 'terraform_data');
  expect(hungAfter(refreshStart, refreshComplete, planned)).toBe(1);
  expect(hungAfter(refreshStart, refreshComplete, planned, others)).toBe(0);
  expect(hungAfter(planned, change('apply_start', 'libvirt_network'), made)).toBe(0);
});

test('a resource that is never read to the end is a hung provider', () => {
  expect(hungAfter(refreshStart)).toBe(1);
  expect(hungAfter(refreshStart, refreshComplete)).toBe(0);
});

test('a seed that is never made is a hung provider: 0.8.3 reads it back', () => {
  expect(hungAfter(change('apply_start', 'libvirt_cloudinit_disk'))).toBe(1);
  expect(
    hungAfter(
      change('apply_start', 'libvirt_cloudinit_disk'),
      change('apply_complete', 'libvirt_cloudinit_disk'),
    ),
  ).toBe(0);
});

test('an image may take as long to upload as it wants', () => {
  expect(hungAfter(change('apply_start', 'libvirt_volume'))).toBe(0);
});

test('nothing is killed once the run has ended', () => {
  const onHung = vi.fn<() => void>();
  new Watchdog({ ...LIMITS, activity: () => undefined, onHung }).stop();
  vi.advanceTimersByTime(60_000);
  expect(onHung).not.toHaveBeenCalled();
});

test('an upload may take long, but not without a byte going in or out', () => {
  const onHung = vi.fn<() => void>();
  let bytes = 0;
  const watchdog = new Watchdog({ ...LIMITS, activity: () => String(bytes), onHung });
  watchdog.see(change('apply_start', 'libvirt_volume'));
  for (let minute = 0; minute < 10; minute++) {
    bytes += 1;
    vi.advanceTimersByTime(60_000);
  }
  expect(onHung).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(onHung).toHaveBeenCalledOnce();
});

test('an upload that stalls after its first half is found in little more than the time that it may be quiet', () => {
  const onHung = vi.fn<() => void>();
  let bytes = 0;
  const watchdog = new Watchdog({ ...LIMITS, activity: () => String(bytes), onHung });
  watchdog.see(change('apply_start', 'libvirt_volume'));
  vi.advanceTimersByTime(1_000);
  bytes += 1;
  vi.advanceTimersByTime(59_000);
  expect(onHung).not.toHaveBeenCalled();
  vi.advanceTimersByTime(11_000);
  expect(onHung).toHaveBeenCalledOnce();
});

test.each([
  ['at the least rate goes on', LEAST_BYTES_PER_SECOND, 0],
  ['a byte a second below it is given up', LEAST_BYTES_PER_SECOND - 1, 1],
])('an upload %s', (_, bytesPerSecond, hung) => {
  const onHung = vi.fn<() => void>();
  const begun = Date.now();
  const activity = () => `rchar: 1000\nwchar: ${((Date.now() - begun) / 1_000) * bytesPerSecond}\nsyscr: 5\n`;
  const watchdog = new Watchdog({ ...LIMITS, activity, onHung });
  watchdog.see(change('apply_start', 'libvirt_volume'));
  vi.advanceTimersByTime(600_000);
  expect(onHung).toHaveBeenCalledTimes(hung);
  watchdog.stop();
});

test('a resource of libvirt that is never removed to the end is a hung provider, one of another may take its time', () => {
  const onHung = vi.fn<(what: string) => void>();
  const watchdog = new Watchdog({ ...LIMITS, activity: () => 'the same', onHung });
  const removal = (resource: string) => {
    const message = change('apply_start', resource);
    return { ...message, change: { ...(message as { change: object }).change, action: 'delete' } } as Message;
  };
  watchdog.see(removal('terraform_data'));
  vi.advanceTimersByTime(3_600_000);
  expect(onHung).not.toHaveBeenCalled();
  watchdog.see(removal('libvirt_volume'));
  vi.advanceTimersByTime(299_999);
  expect(onHung).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onHung).toHaveBeenCalledExactlyOnceWith('libvirt_volume.r');
});

test('the creation of a volume is not expected to transfer bytes', () => {
  const onHung = vi.fn<() => void>();
  const watchdog = new Watchdog({ ...LIMITS, activity: () => 'the same', onHung });
  watchdog.see(change('apply_start', 'libvirt_volume'));
  watchdog.see(change('apply_complete', 'libvirt_volume'));
  vi.advanceTimersByTime(600_000);
  expect(onHung).not.toHaveBeenCalled();
});
