/** The value of each label, by its name. */
export type Labels = Readonly<Record<string, string>>;

/** Seconds; from a cached read to a long terraform run. */
const DEFAULT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/**
 * The metrics of a process, in the text format of Prometheus
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Asking twice for a name gives the same metric.
 */
export class Metrics {
  private readonly families = new Map<string, Counter | Gauge | Histogram>();
  private readonly collectors: (() => void)[] = [];

  /** Only goes up. Name it `…_total`. */
  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    return this.family(name, Counter, () => new Counter(name, help, labels));
  }

  /** Goes up and down. */
  gauge(name: string, help: string, labels: readonly string[] = []): Gauge {
    return this.family(name, Gauge, () => new Gauge(name, help, labels));
  }

  /** Counts observations by size. Name it by its unit: `…_seconds`, `…_bytes`. */
  histogram(
    name: string,
    help: string,
    labels: readonly string[] = [],
    buckets = DEFAULT_BUCKETS,
  ): Histogram {
    return this.family(name, Histogram, () => new Histogram(name, help, labels, buckets));
  }

  /** `collect` sets gauges right before each exposition. */
  onCollect(collect: () => void): void {
    this.collectors.push(collect);
  }

  expose(): string {
    for (const collect of this.collectors) collect();
    return [...this.families.values()].map((family) => family.expose()).join('');
  }

  private family<F extends Counter | Gauge | Histogram>(
    name: string,
    type: new (...args: never[]) => F,
    create: () => F,
  ): F {
    const known = this.families.get(name);
    if (known instanceof type) return known;
    if (known) throw new Error(`metric ${name} exists with another type`);
    const created = create();
    this.families.set(name, created);
    return created;
  }
}

/** Series of one metric. Hosts and objects have names that others choose, as many as they like. */
const MOST_SERIES = 1_000;
/** In the place of each label of all that come after those. */
const OTHERS = '(others)';
/** Characters of a label; a URI of a host may be long. */
const LONGEST_LABEL = 256;

abstract class Family {
  protected readonly name: string;
  private readonly help: string;
  private readonly labelNames: readonly string[];

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
  }

  protected header(type: string): string {
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} ${type}\n`;
  }

  /** `a="1",b="2"`, in the order of declaration: the identity of a series. */
  protected series(labels: Labels, known: ReadonlyMap<string, unknown>): string {
    const series = this.named((name) => labels[name] ?? '');
    return known.has(series) || known.size < MOST_SERIES ? series : this.named(() => OTHERS);
  }

  /** The identity of the series that these labels have if there are not too many. */
  protected named(value: (name: string) => string): string {
    return this.labelNames
      .map((name) => `${name}="${escapeLabel(value(name).slice(0, LONGEST_LABEL))}"`)
      .join(',');
  }
}

export class Counter extends Family {
  private readonly values = new Map<string, number>();

  inc(labels: Labels = {}, amount = 1): void {
    const series = this.series(labels, this.values);
    this.values.set(series, (this.values.get(series) ?? 0) + amount);
  }

  /** Forgets all series but these: for one whose labels name objects, when some of those are gone. */
  retain(present: readonly Labels[]): void {
    const kept = new Set(present.map((labels) => this.named((name) => labels[name] ?? '')));
    for (const series of this.values.keys()) if (!kept.has(series)) this.values.delete(series);
  }

  expose(): string {
    return this.header('counter') + samples(this.name, this.values);
  }
}

export class Gauge extends Family {
  private readonly values = new Map<string, number>();

  set(value: number, labels: Labels = {}): void {
    this.values.set(this.series(labels, this.values), value);
  }

  /** Forgets all values: for one whose labels come and go, before it is set again. */
  clear(): void {
    this.values.clear();
  }

  expose(): string {
    return this.header('gauge') + samples(this.name, this.values);
  }
}

export class Histogram extends Family {
  private readonly buckets: readonly number[];
  private readonly values = new Map<string, { counts: number[]; sum: number; count: number }>();

  constructor(name: string, help: string, labelNames: readonly string[], buckets: readonly number[]) {
    super(name, help, labelNames);
    this.buckets = buckets;
  }

  observe(value: number, labels: Labels = {}): void {
    const series = this.series(labels, this.values);
    let entry = this.values.get(series);
    if (!entry) {
      entry = { counts: this.buckets.map(() => 0), sum: 0, count: 0 };
      this.values.set(series, entry);
    }
    entry.sum += value;
    entry.count += 1;
    for (const [index, bound] of this.buckets.entries()) {
      if (value <= bound) entry.counts[index] = (entry.counts[index] ?? 0) + 1;
    }
  }

  expose(): string {
    let text = this.header('histogram');
    for (const [series, { counts, sum, count }] of this.values) {
      const prefix = series ? `${series},` : '';
      for (const [index, bound] of this.buckets.entries()) {
        text += `${this.name}_bucket{${prefix}le="${bound}"} ${counts[index]}\n`;
      }
      text += `${this.name}_bucket{${prefix}le="+Inf"} ${count}\n`;
      text += sample(`${this.name}_sum`, series, sum) + sample(`${this.name}_count`, series, count);
    }
    return text;
  }
}

function samples(name: string, values: ReadonlyMap<string, number>): string {
  return [...values].map(([series, value]) => sample(name, series, value)).join('');
}

function sample(name: string, series: string, value: number): string {
  return `${name}${series ? `{${series}}` : ''} ${value}\n`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
