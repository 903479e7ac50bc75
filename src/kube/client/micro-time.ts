/** Formats a time as RFC 3339 with microseconds, the only form that Kubernetes accepts in Leases and Events. */
export function microTime(time = new Date()): string {
  return time.toISOString().replace('Z', '000Z');
}
