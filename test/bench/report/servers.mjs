/** The results of runs/servers.mjs as tables for people. */
import { table } from './table.mjs';

export function report({ node, cpus, cpu, date, seconds, turns, worlds, problems }) {
  return [
    `Node ${node}, ${cpus} × ${cpu}, ${date}; ${turns} turns of ${seconds} s, medians of the turns; the load and all servers on the same cores`,
    '',
    ...worlds.flatMap(reportWorld),
    ...problems.map((p) => `FAILED: ${p}`),
    '',
  ].join('\n');
}

function reportWorld({ relationships, entities, questions, loading, groups, variants, trips, mainThread, memory }) {
  const processes = Object.keys(memory);
  return [
    `${relationships} relationships (loaded in ${loading.relationships.toFixed(1)} s), ${entities} entities (${loading.entities.toFixed(1)} s), ${questions} questions`,
    ...table(
      ['connections', 'what', 'a second', 'p50 ms', 'p95 ms', 'p99 ms', ...processes.map((p) => `CPU µs: ${p}`), 'p50', 'a second', 'SpiceDB', 'its PostgreSQL', 'load'],
      groups.flatMap((group) => group.map((row) => cells(row, group[0], processes))),
    ),
    '  the ratios are to the bare check of the same turns: latency, throughput, CPU of SpiceDB and of its PostgreSQL',
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

function cells(row, bare, processes) {
  const of = (read) => median(row.turns.map(read));
  const ratio = (read) =>
    row === bare ? '' : median(row.turns.map((t, i) => read(t) / read(bare.turns[i]))).toFixed(2);
  return [
    String(row.connections),
    row.name,
    of((t) => t.perSecond).toFixed(0),
    ...['p50', 'p95', 'p99'].map((p) => of((t) => t[p]).toFixed(2)),
    ...processes.map((p) => of((t) => t.cpu[p]).toFixed(0)),
    ...[(t) => t.p50, (t) => t.perSecond, (t) => t.cpu.SpiceDB, (t) => t.cpu['PostgreSQL of SpiceDB']].map(ratio),
    of((t) => t.load).toFixed(1),
  ];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
