/** The results of runs/decisions.mjs as tables for people. */
import { percent, table } from './table.mjs';

/** What design.md, section 9, asks for at 50 connections, and aims at beyond. */
const FLOOR = { connections: 50, perSecond: 3000, p99: 25 };
const AIMS = [5000, 10_000];
/** Above this share of the machine, others count. */
const QUIET = 0.1;

export function report({ node, cpus, cpu, seconds, world, first, rows, steps, tokens, mainThread, problems }) {
  const { relationships, policies, slices, questions, allowed, tokens: pairs } = world;
  const out = [
    `Node ${node}, ${cpus} × ${cpu}, ${seconds} s a measurement, the load on the same cores`,
    `${relationships} relationships; ${policies} policies, of which ${Math.min(...slices)} to ${Math.max(...slices)} come before a question; ${questions} questions, ${allowed} of them allowed, ${pairs} ES256 tokens`,
    `each question for the first time, nothing kept, at ${Math.max(...rows.map((r) => r.connections))} connections: ${first.perSecond.toFixed(0)}/s, p99 ${first.p99.toFixed(1)} ms`,
    '',
    'Full decisions, each recorded before it is answered, beside handlers that do nothing with the same body',
    ...table(
      [
        'connections',
        'what',
        'a second',
        'p50 ms',
        'p95 ms',
        'p99 ms',
        'of empty',
        'of bare',
        'main busy',
        'CPU µs each',
        'others',
      ],
      rows.flatMap(
        ({ connections, ...kinds }) =>
        Object.entries({ 'decisions, warm': kinds.warm, 'decisions, cold': kinds.cold, 'empty handler': kinds.empty, 'bare Fastify': kinds.bare }).map(([name, m]) => [
          String(connections), name, m.perSecond.toFixed(0), m.p50.toFixed(2), m.p95.toFixed(2), m.p99.toFixed(2),
          (m.perSecond / kinds.empty.perSecond).toFixed(2), (m.perSecond / kinds.bare.perSecond).toFixed(2),
          percent(m.mainBusy), m.cpuMicroseconds.toFixed(0), percent(m.others),
        ]), // prettier-ignore
      ),
    ),
    '  warm: answers of the graph are kept as long as Remit may keep them; cold: a write drops them every 200 ms',
    '  empty: the same application, its hooks and its reading of the body; bare: Fastify and JSON.parse alone',
    '  others: the share of all cores that went to other processes; what is measured beside them is too low',
    '',
  ];
  for (const { connections, rows: ports, rest, whole, decisions } of steps) {
    out.push(
      `A decision at ${connections} connection${connections === 1 ? '' : 's'}, µs (${decisions} decisions)`,
      ...table(
        ['step', 'main thread', 'waiting'],
        [
          ...ports.map((p) => [p.name, p.main.toFixed(1), p.waiting.toFixed(1)]),
          ['the rest (HTTP, steps, answer)', rest.toFixed(1), ''],
          ['from request to answer', whole.toFixed(1), ''],
        ],
      ),
      '',
    );
  }
  out.push(
    '  main thread: until the call of the port returns; waiting: from there to its answer, a busy main thread included',
    `  a token seen for the first time takes ${tokens.first.toFixed(0)} µs, a known one ${tokens.repeated.toFixed(1)} µs, a known one with a DPoP proof ${tokens.bound.toFixed(0)} µs`,
    '',
    `The main thread at ${mainThread.connections} connections, µs a decision (by samples)`,
    ...table(
      ['part', 'µs'],
      mainThread.parts.map(({ name, us }) => [name, us.toFixed(1)]),
    ),
    '',
  );
  if (mainThread.file !== undefined) {
    out.push(
      `Its costliest functions, µs a decision (${mainThread.file})`,
      ...table(
        ['function', 'µs'],
        mainThread.functions.map(({ name, us }) => [name, us.toFixed(2)]),
      ),
      '',
    );
  }
  return [...out, ...verdict(rows), ...problems.map((p) => `FAILED: ${p}`), ''].join('\n');
}

function verdict(rows) {
  const at = rows.find((r) => r.connections === FLOOR.connections);
  if (at === undefined) return [];
  const said = (kind, { perSecond, p99, others }) => {
    const met = perSecond >= FLOOR.perSecond && p99 <= FLOOR.p99;
    const aims = AIMS.map((aim) => `${aim}/s ${perSecond >= aim ? 'reached' : 'not reached'}`).join(', ');
    const beside = others > QUIET ? `, beside others that took ${percent(others)} of the machine` : '';
    return `${kind}: the floor of ${FLOOR.perSecond}/s and p99 of ${FLOOR.p99} ms is ${met ? 'met' : 'MISSED'} (${perSecond.toFixed(0)}/s, ${p99.toFixed(1)} ms${beside}); aims: ${aims}`;
  };
  return [said('warm', at.warm), said('cold', at.cold)];
}
