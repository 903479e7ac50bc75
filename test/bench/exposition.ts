/** Reads metrics in the text format of Prometheus. */

interface Series {
  /** For example `verb="GET",code="200"`. */
  readonly labels: string;
  readonly value: number;
}

export function seriesOf(text: string, name: string): Series[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith(name) || !/[{ ]/.test(line.charAt(name.length))) return [];
    const [, labels = '', value] = /^\w+(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    return value === undefined ? [] : [{ labels, value: Number(value) }];
  });
}

/** Sums all series whose labels `counts` accepts. */
export function sumOf(text: string, name: string, counts: (labels: string) => boolean = () => true): number {
  return seriesOf(text, name).reduce((sum, { labels, value }) => (counts(labels) ? sum + value : sum), 0);
}
