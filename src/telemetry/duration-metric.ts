/**
 * Histograms of durations for events that happen thousands of times a second. prom-client hashes the labels at every
 * observation, which costs half a microsecond several times a decision. Here the observer keeps the histogram of its
 * labels, and an observation is one comparison a bucket.
 */
import type { Histogram, MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client';

/** Upper bounds in seconds: from a cached answer to a deadline of some seconds. */
const BUCKET_BOUNDS_SECONDS = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** The observations with one set of labels. */
export class DurationHistogram {
  /** The observations in each bucket; the last one is for those above all bounds. */
  readonly counts = new Float64Array(BUCKET_BOUNDS_SECONDS.length + 1);
  sum = 0;

  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < BUCKET_BOUNDS_SECONDS.length && seconds > (BUCKET_BOUNDS_SECONDS[bucket] ?? Infinity)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += seconds;
  }
}

/** A histogram metric as Prometheus reads it: one set of buckets for each combination of labels. */
export class DurationMetric<Label extends string> {
  private readonly members = new Map<string, { labels: Record<Label, string>; durations: DurationHistogram }>();

  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly labels: readonly Label[],
    registry: Registry,
  ) {
    // A registry only uses a metric's name and `get`, whatever else its type has.
    registry.registerMetric({ name, get: () => Promise.resolve(this.readValues()) } as unknown as Histogram);
  }

  /** Gets the histogram of these label values, which are in the order of the labels. */
  withLabels(...values: readonly string[]): DurationHistogram {
    const key = values.join('\n');
    let member = this.members.get(key);
    if (member === undefined) {
      const labels = Object.fromEntries(this.labels.map((label, i) => [label, values[i] ?? '']));
      member = { labels: labels as Record<Label, string>, durations: new DurationHistogram() };
      this.members.set(key, member);
    }
    return member.durations;
  }

  private readValues(): MetricObjectWithValues<MetricValueWithName<string>> {
    const { name, help } = this;
    const values = [...this.members.values()].flatMap(({ labels, durations: { counts, sum } }) => {
      let count = 0;
      const buckets = [...counts].map((n, i) => {
        count += n;
        return {
          metricName: `${name}_bucket`,
          labels: { ...labels, le: BUCKET_BOUNDS_SECONDS[i] ?? '+Inf' },
          value: count,
        };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
    return { name, help, type: 'histogram', values, aggregator: 'sum' } as unknown as MetricObjectWithValues<
      MetricValueWithName<string>
    >;
  }
}
