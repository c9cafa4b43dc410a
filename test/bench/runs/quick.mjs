/**
 * `npm run bench -- --quick`: the ratios by which a change is judged, in under a minute, on embedded engines. What is
 * compared is measured in turns, and each ratio is the median of the turns' own: others on the machine slow both alike.
 */
import { writeConfiguration } from '../engines/configuration.mjs';
import { usageOf } from '../engines/processes.mjs';
import { load, percentile, post } from '../load/http.mjs';
import { startMeasured } from '../measured/start.mjs';
import { table } from '../report/table.mjs';
import { makeWorld } from '../worlds/company.mjs';
import { makeIssuer } from '../worlds/issuer.mjs';
import { bodiesOf } from '../worlds/questions.mjs';

const WORLD = { relationships: 2000, questions: 1000 };
const POLICIES = 100;
const CONNECTIONS = 50;
const TURNS = 5;
const WARM_UP = { seconds: 5 };
const SETTLE = { seconds: 0.3 };
const TURN = { seconds: 1.2 };

/** @returns lines to print, and what went wrong */
export async function measureQuick(directory, { key, seed }) {
  const world = makeWorld({ ...WORLD, seed });
  const issuer = await makeIssuer();
  writeConfiguration(directory, { key, issuer, policies: POLICIES, world });
  const { asked } = await bodiesOf(world.questions, issuer);
  const measured = startMeasured(directory);
  try {
    return await measure(measured, key, asked);
  } finally {
    await measured.close();
  }
}

async function measure(measured, key, asked) {
  const { port } = await measured.call('ready');
  const problems = [];
  const decisions = asked.map((question) => post({ port, path: '/access/v1/evaluation', key, ...question }));
  const minimal = asked.map((question) =>
    post({ port, path: '/access/v1/evaluation', key, ...question, prefer: 'return=minimal' }),
  );
  const empty = asked.map(({ body }) => post({ port, path: '/bench/empty', key, body }));
  const run = async (requests, limits) => {
    const before = usageOf(measured.pid).cpu;
    const { latencies, count, perSecond, errors, wrong, firstProblem } = await load({
      port,
      requests,
      connections: CONNECTIONS,
      ...limits,
    });
    if (errors + wrong > 0) problems.push(`${errors} errors and ${wrong} wrong answers of ${count}: ${firstProblem?.slice(0, 500)}`); // prettier-ignore
    return { perSecond, cpu: (usageOf(measured.pid).cpu - before) / count, p99: percentile(latencies, 99) };
  };
  const settled = async (requests) => {
    await run(requests, SETTLE);
    return run(requests, TURN);
  };

  await run(decisions, WARM_UP);
  const turns = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const figures = { empty: await settled(empty), full: await settled(decisions), minimal: await settled(minimal) };
    await measured.call('cold', true);
    figures.written = await settled(decisions);
    await measured.call('cold', false);
    turns.push(figures);
  }
  const ratio = (name, of, read) => median(turns.map((turn) => read(turn[name]) / read(turn[of]))).toFixed(2);
  const row = (label, name, of) => [
    label,
    median(turns.map((turn) => turn[name].perSecond)).toFixed(0),
    median(turns.map((turn) => turn[name].cpu)).toFixed(0),
    median(turns.map((turn) => turn[name].p99)).toFixed(1),
    of === undefined ? '' : ratio(name, of, ({ perSecond }) => perSecond),
    of === undefined ? '' : ratio(name, of, ({ cpu }) => cpu),
  ];
  return {
    lines: [
      `Embedded engines, ${CONNECTIONS} connections, ${WORLD.relationships} relationships, ${WORLD.questions} questions, ${POLICIES} policies; medians of ${TURNS} turns`,
      ...table(
        ['what', 'a second', 'CPU µs', 'p99 ms', 'ratio of rates', 'ratio of CPU'],
        [
          row('empty handler', 'empty'),
          row('decision, of the empty handler', 'full', 'empty'),
          row('minimal answer, of the decision', 'minimal', 'full'),
          row('decision beside five writes a second, of the decision', 'written', 'full'),
        ],
      ),
      '',
    ],
    problems,
  };
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
