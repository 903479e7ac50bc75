/** Returns the value of a metric, for example `metricValue(metrics.expose(), 'x_total{a="b"}')`; 0 if it has none yet. */
export function metricValue(exposition: string, series: string): number {
  const line = exposition.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}
