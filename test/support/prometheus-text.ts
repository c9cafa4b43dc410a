/** Prometheus' text format, read strictly: what a scrape has to be. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** @throws Error at a line that is none of the format, or a sample of a metric that has no type */
export function samples(text: string): Sample[] {
  const types = new Set<string>();
  return text.split('\n').flatMap((line) => {
    const type = /^# TYPE ([a-z0-9_]+) (?:counter|gauge|histogram)$/.exec(line);
    if (type !== null) types.add(type[1] ?? '');
    if (line === '' || line.startsWith('# ')) return [];
    const [, name = '', labels = '', value = ''] =
      /^([a-z0-9_]+)(?:\{((?:[a-z0-9_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$/.exec(line) ?? [];
    if (!types.has(name) && !types.has(name.replace(/_(bucket|sum|count)$/, '')))
      throw new Error(`not a sample: ${line}`);
    const pairs = [...labels.matchAll(/([a-z0-9_]+)="((?:[^"\\\n]|\\.)*)"/g)].map(([, key, said]) => [key, said]);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}
