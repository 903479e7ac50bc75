/** RFC 3339 with microseconds, the one form that Kubernetes takes for Leases and Events. */
export function microTime(time = new Date()): string {
  return time.toISOString().replace('Z', '000Z');
}
