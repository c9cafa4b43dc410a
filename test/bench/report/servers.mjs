/** The results of runs/servers.mjs as tables for people. */
import { table } from './table.mjs';

const BARE = /^bare check/;

export function report({ node, cpus, cpu, date, seconds, turns, worlds, problems }) {
  return [
    `Node ${node}, ${cpus} × ${cpu}, ${date}; ${turns} turns of ${seconds} s, medians of the turns; the load and all servers on the same cores`,
    '',
    ...worlds.flatMap(reportWorld),
    ...problems.map((p) => `FAILED: ${p}`),
    '',
  ].join('\n');
}

function reportWorld({ relationships, entities, questions, loading, rows, variants, trips, mainThread, memory }) {
  const processes = Object.keys(memory);
  const bareOf = (row) =>
    rows.find((r) => BARE.test(r.name) && r.connections === row.connections && /cold/.test(r.name) === /cold/.test(row.name)); // prettier-ignore
  const ratio = (row, of) => {
    const bare = bareOf(row);
    if (row === bare) return '';
    return median(row.turns.map((turn, i) => of(turn) / of(bare.turns[i]))).toFixed(2);
  };
  return [
    `${relationships} relationships (loaded in ${loading.relationships.toFixed(1)} s), ${entities} entities (${loading.entities.toFixed(1)} s), ${questions} questions`,
    ...table(
      ['connections', 'what', 'a second', 'p50 ms', 'p95 ms', 'p99 ms', ...processes.map((p) => `CPU µs: ${p}`), 'p50 of bare', 'per s of bare', 'SpiceDB CPU of bare', 'load'],
      rows.map((row) => [
        String(row.connections),
        row.name,
        median(row.turns.map((t) => t.perSecond)).toFixed(0),
        ...['p50', 'p95', 'p99'].map((p) => median(row.turns.map((t) => t[p])).toFixed(2)),
        ...processes.map((p) => median(row.turns.map((t) => t.cpu[p])).toFixed(0)),
        ratio(row, (t) => t.p50),
        ratio(row, (t) => t.perSecond),
        ratio(row, (t) => t.cpu.SpiceDB),
        median(row.turns.map((t) => t.load)).toFixed(1),
      ]),
    ),
    '',
    ...table(
      ['policies', 'of which come before a question', 'variant'],
      variants.map(({ name, policies, slices }) => [String(policies), `${Math.min(...slices)} to ${Math.max(...slices)}`, name]),
    ),
    '',
    'Round trips a decision',
    ...table(
      ['connections', ...Object.keys(trips[0].each)],
      trips.map(({ connections, each }) => [String(connections), ...Object.values(each).map((n) => n.toFixed(2))]),
    ),
    '',
    `Memory, MiB: ${Object.entries(memory).map(([name, bytes]) => `${name} ${(bytes / 2 ** 20).toFixed(0)}`).join(', ')}`,
    '',
    `Remit's main thread at ${mainThread.connections} connections, µs a decision (by samples)`,
    ...table(['part', 'µs'], mainThread.parts.map(({ name, us }) => [name, us.toFixed(1)])),
    ...(mainThread.file === undefined
      ? []
      : ['', `Its costliest functions (${mainThread.file})`, ...table(['function', 'µs'], mainThread.functions.map(({ name, us }) => [name, us.toFixed(2)]))]),
    '',
  ]; // prettier-ignore
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
