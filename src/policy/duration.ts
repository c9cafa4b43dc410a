/** Cedar's durations, as policies write them. */

const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** The milliseconds of a duration such as `1d2h3m4s5ms`, which Cedar has taken. */
export function toDurationMs(duration: string): number {
  const sum = [...duration.matchAll(/(\d+)(ms|[dhms])/g)].reduce(
    (ms, [, count, unit]) => ms + Number(count) * (UNIT_MS[unit ?? ''] ?? 0),
    0,
  );
  return duration.startsWith('-') ? -sum : sum;
}
