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

function reportWorld({
  relationships,
  entities,
  questions,
  loading,
  groups,
  lists,
  variants,
  trips,
  mainThread,
  memory,
}) {
  const processes = Object.keys(memory);
  return [
    `${relationships} relationships (loaded in ${loading.relationships.toFixed(1)} s), ${entities} entities (${loading.entities.toFixed(1)} s), ${questions} questions`,
    ...table(
      ['connections', 'what', 'a second', 'p50 ms', 'p95 ms', 'p99 ms', ...processes.map((p) => `CPU µs: ${p}`), 'all', 'p50', 'a second', 'SpiceDB', 'all', 'load'],
      groups.flatMap((group) => group.map((row) => cells(row, group[0], processes))),
    ),
    '  the ratios are to the bare check by HTTP of the same turns: latency, throughput, CPU of SpiceDB and of all processes',
    '',
    'Lists, one at a time',
    ...table(
      ['what', 'writes', 'ms', 'CPU µs', 'ms of SpiceDB', 'CPU of SpiceDB'],
      lists.map((row, i) => [
        row.name,
        row.cold ? '5 a second' : 'none',
        row.ms.toFixed(1),
        row.cpu.toFixed(0),
        ...(i % 2 === 0 ? ['', ''] : [(row.ms / lists[i - 1].ms).toFixed(2), (row.cpu / lists[i - 1].cpu).toFixed(2)]),
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

function cells(row, bare, processes) {
  const { connections, what, perSecond, p50, p95, p99, cpu, all, ratios, load } = cellsOf(row, bare, processes);
  return [connections, what, perSecond, p50, p95, p99, ...cpu, all, ratios.p50, ratios.perSecond, ratios.spicedb, ratios.all, load]; // prettier-ignore
}

/** A row's medians of its turns, and their ratios to the bare check of the same turns, as texts. */
export function cellsOf(row, bare, processes) {
  const of = (read, digits) => median(row.turns.map(read)).toFixed(digits);
  const ratio = (read) =>
    row === bare ? '' : median(row.turns.map((t, i) => read(t) / read(bare.turns[i]))).toFixed(2);
  return {
    connections: String(row.connections),
    what: row.name,
    perSecond: of((t) => t.perSecond, 0),
    p50: of((t) => t.p50, 2),
    p95: of((t) => t.p95, 2),
    p99: of((t) => t.p99, 2),
    cpu: processes.map((p) => of((t) => t.cpu[p], 0)),
    all: of(cpuOfAll, 0),
    ratios: {
      p50: ratio((t) => t.p50),
      perSecond: ratio((t) => t.perSecond),
      spicedb: ratio((t) => t.cpu.SpiceDB),
      all: ratio(cpuOfAll),
    },
    load: of((t) => t.load, 1),
  };
}

/** A client by gRPC is one of the processes: it runs in Remit's. */
function cpuOfAll({ cpu }) {
  return Object.values(cpu).reduce((sum, one) => sum + one, 0);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
