import { stringify } from 'yaml';

export function formatData(data: unknown, output: 'json' | 'yaml'): string {
  return output === 'json' ? `${JSON.stringify(data, null, 2)}\n` : stringify(data, { lineWidth: 0 });
}
