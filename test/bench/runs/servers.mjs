/**
 * `npm run bench -- --server`: full decisions on a SpiceDB server and PostgreSQL, beside bare checks of SpiceDB, over
 * worlds and policy sets of several sizes. What is compared is measured in turns, A B A B, and each ratio is the median
 * of the turns' own: others on the machine then slow both alike.
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { refusal, writeConfiguration } from '../engines/configuration.mjs';
import { loadServers } from '../engines/loading.mjs';
import { usageOf } from '../engines/processes.mjs';
import { startServers } from '../engines/servers.mjs';
import { checkRequests } from '../load/bare-http.mjs';
import { load, percentile, post } from '../load/http.mjs';
import { startMeasured } from '../measured/start.mjs';
import { makeWorld } from '../worlds/company.mjs';
import { makeIssuer } from '../worlds/issuer.mjs';
import { listEntities, listRelationships } from '../worlds/lists.mjs';
import { bodiesOf } from '../worlds/questions.mjs';
import { LISTED, measureServerLists } from './server-lists.mjs';

/** Questions about a small world, and about one of more relationships than that. */
const [FEW_QUESTIONS, MANY_QUESTIONS, SMALL_WORLD] = [1000, 5000, 10_000];
const WARM_UP = { seconds: 5 };
const MAIN = 'full';
/** What decisions are measured on; the first is measured in every way, the others at the most connections. */
const VARIANTS = [
  { name: MAIN, policies: 100 },
  { name: 'bounded', policies: 100, consistency: 'bounded', optional: true },
  { name: 'few policies', policies: 10 },
  { name: 'many policies', policies: 1000 },
  { name: 'many policies, many relevant', policies: 1000, relevant: 100 },
];

/** @returns the results; `problems` says what went wrong */
export async function measureServers(directory, { key, seed, seconds, turns, connections, sizes, profile, note }) {
  const results = {
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model.trim(),
    date: new Date().toISOString(),
    seconds,
    turns,
    worlds: [],
    problems: [],
  };
  for (const relationships of sizes) {
    const company = makeWorld({
      seed,
      relationships,
      questions: relationships < SMALL_WORLD ? FEW_QUESTIONS : MANY_QUESTIONS,
    });
    const world = {
      ...company,
      relationships: [...company.relationships, ...listRelationships(LISTED)],
      entities: () => [...company.entities(), ...listEntities(LISTED)],
    };
    const servers = await startServers();
    const end = () => void servers.close().finally(() => process.exit(1));
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
    try {
      const place = join(directory, String(relationships));
      results.worlds.push(await measureWorld(place, { key, world, servers, seconds, turns, connections, profile, note, problems: results.problems })); // prettier-ignore
    } catch (error) {
      // What the other worlds came to is told.
      results.problems.push(`${relationships}: ${error.stack}`);
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, end);
      await servers.close();
    }
  }
  return results;
}

async function measureWorld(directory, { key, world, servers, seconds, turns, connections, profile, note, problems }) {
  const most = Math.max(...connections);
  const size = world.relationships.length;
  const issuer = await makeIssuer();
  const { asked } = await bodiesOf(world.questions, issuer);
  const configured = configure(directory, { key, issuer, world, servers, note });
  note(`${size} relationships: loading`);
  const loading = await loadServers(join(directory, MAIN), world, servers);
  note(`${size} relationships: loaded in ${loading.relationships.toFixed(0)} s`);

  const remits = [];
  try {
    for (const variant of configured) remits.push(await open(variant, key, asked));
    const [main] = remits;
    const problem = (what, { errors, wrong, count, firstProblem }) => {
      if (errors + wrong > 0)
        problems.push(`${size}, ${what}: ${errors} errors and ${wrong} wrong answers of ${count}; the first: ${firstProblem?.slice(0, 500)}`); // prettier-ignore
    };
    const loaded = (port, requests) => async (at, limits) => {
      const { latencies, ...rest } = await load({ port, requests, connections: at, ...limits });
      const [p50, p95, p99] = [50, 95, 99].map((p) => percentile(latencies, p));
      return { ...rest, p50, p95, p99 };
    };
    const decisions = (remit, requests) => loaded(remit.port, requests);
    const checks = (way) => (at, limits) => main.call('checks', { way, connections: at, ...limits });
    const pidsOf = (remit) => ({ Remit: remit.pid, ...servers.pids });

    /** Each of them in turn, several times over; the first is what the others are compared with. */
    const inTurns = async (at, ways) => {
      const rows = ways.map(([name]) => ({ name, connections: at, turns: [] }));
      for (let turn = 0; turn < turns; turn += 1)
        for (const [i, [name, run, remit = main]] of ways.entries()) {
          // While another had its turn nothing was asked of this one, and what it had cached of SpiceDB was dropped.
          await run(at, { seconds });
          const before = usages(pidsOf(remit));
          const result = await run(at, { seconds });
          problem(name, result);
          rows[i].turns.push({ ...result, cpu: spent(before, usages(pidsOf(remit)), result.count), load: loadavg()[0] }); // prettier-ignore
        }
      note(`${size} relationships: measured ${ways.map(([name]) => name).join(', ')} at ${at}`);
      return rows;
    };

    for (const remit of remits) problem('warming up', await decisions(remit, remit.requests)(most, WARM_UP));
    problem('warming up', await checks('facts')(most, WARM_UP));
    const bare = [
      'bare check by HTTP',
      loaded(servers.spicedb.httpPort, checkRequests(world.questions, servers.spicedb)),
    ];
    const bareGrpc = ['bare check by gRPC', checks('gate')];
    const full = ['decision', decisions(main, main.requests)];
    const minimal = ['decision, minimal answer', decisions(main, main.minimal)];
    const groups = [];
    for (const at of connections) {
      groups.push(await inTurns(at, [bare, bareGrpc, ['all that it asks by gRPC', checks('facts')], full, minimal]));
    }
    const others = remits.slice(1).map((remit) => [`decision: ${remit.name}`, decisions(remit, remit.requests), remit]);
    groups.push(await inTurns(most, [bare, full, ...others]));
    await main.call('cold', true);
    groups.push(
      await inTurns(
        most,
        [bare, full, minimal].map(([name, run]) => [`${name}, cold`, run]),
      ),
    );
    await main.call('cold', false);
    const lists = await measureServerLists({
      remit: main,
      servers,
      key,
      issuer,
      usage: () => sum(Object.values(usages(pidsOf(main))).map(({ cpu }) => cpu)),
      problem: (text) => problems.push(`${size}: ${text}`),
    });
    note(`${size} relationships: measured lists`);

    return {
      relationships: size,
      entities: [...world.entities()].length,
      questions: world.questions.length,
      loading,
      groups,
      lists,
      variants: remits.map(({ name, policies, slices }) => ({ name, policies, slices })),
      trips: await tripsOf(main, decisions(main, main.requests), connections, seconds),
      mainThread: await profileOf(main, decisions(main, main.requests), most, seconds, profile),
      memory: Object.fromEntries(Object.entries(usages(pidsOf(main))).map(([name, { memory }]) => [name, memory])),
    };
  } finally {
    for (const remit of remits) await remit.close();
  }
}

/** A directory for each variant that this Remit takes. */
function configure(directory, { key, issuer, world, servers, note }) {
  const taken = [];
  for (const variant of VARIANTS) {
    const place = join(directory, variant.name);
    writeConfiguration(place, { ...variant, key, issuer, servers });
    writeFileSync(join(place, 'questions.json'), JSON.stringify(world.questions));
    const why = refusal(place);
    if (why === undefined) taken.push({ ...variant, directory: place });
    else if (variant.optional === true) note(`"${variant.name}" is left out: ${why}`);
    else throw new Error(why);
  }
  return taken;
}

async function open({ directory, name }, key, asked) {
  const measured = startMeasured(directory);
  const { port, policies, slices } = await measured.call('ready');
  // An allow without the relationships that grant it is no full answer.
  const requests = asked.map((q) =>
    post({ port, path: '/access/v1/evaluation', key, ...q, includes: q.expect ? '"path":["' : undefined }),
  );
  const minimal = asked.map((q) => post({ port, path: '/access/v1/evaluation', key, ...q, prefer: 'return=minimal' }));
  return { ...measured, name, port, policies, slices, requests, minimal };
}

async function tripsOf(remit, run, connections, seconds) {
  const trips = [];
  for (const at of connections) {
    await remit.call('startCounting');
    const { count } = await run(at, { seconds });
    const counts = await remit.call('stopCounting');
    trips.push({
      connections: at,
      each: Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, n / count])),
    });
  }
  return trips;
}

async function profileOf(remit, run, at, seconds, keep) {
  const file = keep ? join(tmpdir(), `remit-bench-${process.pid}-${remit.pid}.cpuprofile`) : undefined;
  await remit.call('startProfile');
  const { count } = await run(at, { seconds });
  const { parts, functions } = await remit.call('stopProfile', file);
  const each = (list) => list.map(({ name, us }) => ({ name, us: us / count }));
  return { connections: at, parts: each(parts), functions: keep ? each(functions).slice(0, 30) : [], file };
}

function usages(pids) {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, usageOf(pid)]));
}

/** Microseconds of CPU that each answer took, by process. */
function spent(before, after, count) {
  return Object.fromEntries(Object.keys(before).map((name) => [name, (after[name].cpu - before[name].cpu) / count]));
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
