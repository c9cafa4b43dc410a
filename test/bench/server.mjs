/** The process that is measured: a service on a world of its own, over real HTTP, led by messages of bench.mjs. */
import fastify from 'fastify';
import { writeFileSync } from 'node:fs';
import { buildApp } from '../../dist/app.js';
import { loadConfig } from '../../dist/config.js';
import { openService } from '../../dist/service.js';
import { startProfile, summarize } from './profile.mjs';
import { timePorts, timeTokens } from './steps.mjs';
import { LISTERS, LISTING_AGENT, reaches, SCOPES, writeWorld } from './world.mjs';

const TOUCH_EVERY_MS = 200;
const UNRELATED = {
  resource: { type: 'team', id: 'bench' },
  relation: 'member',
  subject: { type: 'user', id: 'bench' },
};

const [directory, key, seed, what] = process.argv.slice(2);
const { config, questions } = writeWorld(directory, { seed: Number(seed), key, lists: what === 'lists' });
// Ten in the morning of today, going on: the sample's policies let agents change nothing at night.
const offset = new Date().setUTCHours(10, 0, 0, 0) - performance.now();
// No environment: a REMIT_… of the shell must not lead elsewhere.
const service = await openService(loadConfig(config, {}), { now: () => new Date(offset + performance.now()) });

const app = await buildApp(service);
app.post('/bench/empty', async () => ({ decision: true }));
await app.listen({ host: '127.0.0.1', port: 0 });

// The same HTTP server with nothing of Remit in it: what is left when every hook and check is free.
const bare = fastify();
bare.post('/bench/bare', async () => ({ decision: true }));
await bare.listen({ host: '127.0.0.1', port: 0 });

let touching;
let stopTiming;
let stopProfile;

const METHODS = {
  ready: async () => ({
    port: app.server.address().port,
    barePort: bare.server.address().port,
    policies: service.rules().policies.size,
    slices: sliceSizes(),
    questions: await ask(),
  }),
  /** Of a process that was started with --expose-gc. */
  memory: () => {
    globalThis.gc();
    return process.memoryUsage();
  },
  usage: () => ({ loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() }),
  /** Drops kept answers of the graph from now on, five times a second, by writes that change no answer. */
  cold: (on) => {
    clearInterval(touching);
    if (on) touching = setInterval(touch, TOUCH_EVERY_MS);
  },
  /** One write that changes no answer and drops those that are kept. */
  touch: async () => {
    await service.relationships.write([{ operation: 'touch', relationship: UNRELATED }], 'bench');
  },
  list: makeList,
  timeTokens: () => timeTokens(service),
  startTiming: () => {
    stopTiming = timePorts(service, app.server);
  },
  stopTiming: () => stopTiming(),
  startProfile: async () => {
    stopProfile = await startProfile();
  },
  stopProfile: async (file) => {
    const profile = await stopProfile();
    if (file !== undefined) writeFileSync(file, JSON.stringify(profile));
    return summarize(profile);
  },
  close: async () => {
    clearInterval(touching);
    await Promise.all([app.close(), bare.close()]);
    await service.close();
  },
};

// Led by nobody, it would stay for ever.
process.on('disconnect', () => process.exit());
process.on('message', async ({ id, method, argument }) => {
  try {
    process.send({ id, value: await METHODS[method](argument) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});

function touch() {
  service.relationships.write([{ operation: 'touch', relationship: UNRELATED }], 'bench').catch((error) => {
    process.stderr.write(`bench: the unrelated write failed: ${String(error)}\n`);
    process.exitCode = 1;
  });
}

/** Bodies to send and the decisions that they must get; one token for each user and agent, with every scope. */
async function ask() {
  const tokens = new Map();
  const asked = [];
  for (const { user, agent, action, resource, expect } of questions) {
    const pair = `${user} ${agent}`;
    if (!tokens.has(pair))
      tokens.set(
        pair,
        await service.devIssuer.mint({ user, agent, scope: SCOPES, ttlSeconds: 3600 * 6, now: service.now() }),
      );
    asked.push({
      expect,
      body: { subject: { type: 'user', id: user }, action, resource, context: { token: tokens.get(pair) } },
    });
  }
  return { asked, tokens: tokens.size };
}

/** A list to filter and the same as single questions, with what must come of them. */
async function makeList({ share, from, length }) {
  const user = LISTERS[share];
  const token = await service.devIssuer.mint({
    user,
    agent: LISTING_AGENT,
    scope: SCOPES,
    ttlSeconds: 3600 * 6,
    now: service.now(),
  });
  const shared = { subject: { type: 'user', id: user }, action: { name: 'read' }, context: { token } };
  const records = Array.from({ length }, (_, j) => from + j).map((i) => ({
    type: 'employee',
    id: `l${i}`,
    properties: { name: `Person ${i}`, status: i % 3 === 0 ? 'on_leave' : 'active', department: `department-${i % 12}`, salary: 50_000 + i, email: `l${i}@acme.example` },
  })); // prettier-ignore
  return {
    length,
    body: JSON.stringify({ ...shared, records }),
    allowed: records.filter((_, j) => reaches(share, from + j)).length,
    singles: records.map((resource, j) => ({ body: { ...shared, resource }, expect: reaches(share, from + j) })),
  };
}

/** How many policies and duties a question about each action comes before. */
function sliceSizes() {
  const { vocabulary, deciding, duties } = service.rules();
  const agent = vocabulary.entityTypes.get('Agent');
  return vocabulary.actions.flatMap((action) =>
    action.resourceTypes.map(
      (type) => deciding.slice(agent, action, type).policies.length + duties.slice(agent, action, type).policies.length,
    ),
  );
}
