/**
 * `npm run bench -- --lists`: lists through the filter, for users who reach much and little of them, with and without
 * what is kept, beside the same asked one by one, and beside small decisions that must not wait for them.
 */
import { writeConfiguration } from '../engines/configuration.mjs';
import { load, percentile, post } from '../load/http.mjs';
import { startMeasured } from '../measured/start.mjs';
import { table } from '../report/table.mjs';
import { makeWorld } from '../worlds/company.mjs';
import { makeIssuer } from '../worlds/issuer.mjs';
import { LISTERS, LISTING_AGENT, listRelationships, reaches, records } from '../worlds/lists.mjs';

const WORLD = { relationships: 2000, questions: 1000 };
const POLICIES = 100;

const LENGTH = 1000;
const TIMES = 15;
const BESIDE = { connections: 4, seconds: 6 };

/** @returns lines to print, and what went wrong */
export async function measureLists(directory, { key, seed }) {
  const world = makeWorld({ ...WORLD, seed });
  const issuer = await makeIssuer();
  writeConfiguration(directory, {
    key,
    issuer,
    policies: POLICIES,
    world: { ...world, relationships: [...world.relationships, ...listRelationships()] },
  });
  const measured = startMeasured(directory);
  try {
    return await measure(measured, key, issuer);
  } finally {
    await measured.close();
  }
}

async function measure(measured, key, issuer) {
  const { port } = await measured.call('ready');
  const problems = [];

  const filter = async (list) => {
    const started = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/v1/filter`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: list.body,
    });
    const text = await response.text();
    const ms = performance.now() - started;
    const found = response.status === 200 ? JSON.parse(text).records.length : text;
    if (found !== list.allowed) problems.push(`a list of ${list.length}: ${found} instead of ${list.allowed}`);
    return ms;
  };
  const lists = async (share, from, count = 1) =>
    Promise.all(Array.from({ length: count }, (_, i) => makeList(issuer, share, from + i * LENGTH)));
  const several = async (work, prepare = () => undefined) => {
    const all = [];
    for (let i = 0; i < TIMES; i += 1) {
      await prepare();
      all.push(await work());
    }
    return Float64Array.from(all).sort();
  };
  const write = () => measured.call('touch');

  const rows = [];
  const row = (name, sorted, more = '') => rows.push([name, percentile(sorted, 50).toFixed(1), sorted.at(-1).toFixed(1), more]); // prettier-ignore
  const whole = {};
  for (const share of [50, 5]) {
    const [list] = await lists(share, 0);
    for (let i = 0; i < 5; i += 1) await filter(list);
    whole[share] = await several(() => filter(list));
    row(`${LENGTH} records, ${share} % within reach`, whole[share]);
    row('  after a write', await several(() => filter(list), write));
  }
  const ten = await lists(50, 0, 10);
  const inTurn = async () => {
    const started = performance.now();
    for (const list of ten) await filter(list);
    return performance.now() - started;
  };
  await inTurn();
  row(`${10 * LENGTH} records, in ten requests`, await several(inTurn));
  row('  after a write', await several(inTurn, write));

  // The same 1,000, each a question of its own on one connection.
  const [{ singles }] = await lists(50, 0);
  const requests = singles.map(({ body, expect }) => post({ port, path: '/access/v1/evaluation', key, body, expect }));
  const once = { port, requests, connections: 1, answers: requests.length };
  await load(once);
  const started = performance.now();
  const one = await load(once);
  const singly = performance.now() - started;
  if (one.errors + one.wrong > 0) problems.push(`singly: ${one.firstProblem}`);
  rows.push(['one by one', singly.toFixed(0), '', `${(singly / percentile(whole[50], 50)).toFixed(1)} times as long`]);

  // Small decisions with and without lists beside them, each list another one, so that the engines have work.
  const small = async () => {
    const { latencies, errors, wrong, firstProblem } = await load({ port, requests, ...BESIDE });
    if (errors + wrong > 0) problems.push(`beside: ${firstProblem}`);
    return latencies;
  };
  await small();
  const alone = await small();
  let on = true;
  let filtered = 0;
  const busy = (async () => {
    for (let i = 0; on; i += 1) {
      if (i % ten.length === 0) await write();
      await filter(ten[i % ten.length]);
      filtered += 1;
    }
  })();
  const beside = await small();
  on = false;
  await busy;
  const p = (sorted) => [50, 99].map((n) => percentile(sorted, n).toFixed(1));
  return {
    lines: [
      'Lists through POST /v1/filter, of records with five properties; milliseconds, the client included',
      ...table(['what', 'median', 'longest', ''], rows),
      '',
      `A small decision at ${BESIDE.connections} connections, milliseconds`,
      ...table(
        ['beside', 'p50', 'p99'],
        [
          ['nothing', ...p(alone)],
          [`lists of ${LENGTH} without a pause (${filtered})`, ...p(beside)],
        ],
      ),
      '',
    ],
    problems,
  };
}

/** A list to filter and the same as single questions, with what must come of them. */
async function makeList(issuer, share, from) {
  const user = LISTERS[share];
  const shared = {
    subject: { type: 'user', id: user },
    action: { name: 'read' },
    context: { token: await issuer.mint(user, LISTING_AGENT) },
  };
  const listed = records(from, LENGTH);
  return {
    length: LENGTH,
    body: JSON.stringify({ ...shared, records: listed }),
    allowed: listed.filter((_, j) => reaches(share, from + j)).length,
    singles: listed.map((resource, j) => ({ body: { ...shared, resource }, expect: reaches(share, from + j) })),
  };
}
