/** The process that is measured: Remit on the configuration of a directory, over real HTTP, led by messages. */
import fastify from 'fastify';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildApp } from '../../../dist/http/app.js';
import { authenticate } from '../../../dist/http/edge/authentication.js';
import { loadConfig } from '../../../dist/config/config.js';
import { openService } from '../../../dist/service/service.js';
import { percentile } from '../load/http.mjs';
import { configurationOf } from '../engines/configuration.mjs';
import { TEN } from '../worlds/issuer.mjs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { timePorts, timeTokens } from './ports.mjs';
import { startProfile, summarize } from './profile.mjs';

const TOUCH_EVERY_MS = 200;
const UNRELATED = {
  resource: { type: 'team', id: 'bench' },
  relation: 'member',
  subject: { type: 'user', id: 'bench' },
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const [directory] = process.argv.slice(2);
const offset = TEN - performance.now();
// No environment: a REMIT_… of the shell must not lead elsewhere.
const service = await openService(loadConfig(configurationOf(directory), {}), {
  now: () => new Date(offset + performance.now()),
});

const app = await buildApp(service);
// With a caller, since a route without one has a rate for each network.
app.post('/bench/empty', { onRequest: authenticate(app, service, ['evaluate']) }, async () => ({ decision: true }));
await app.listen({ host: '127.0.0.1', port: 0 });

// The same HTTP server with nothing of Remit in it: what is left when every hook and check is free.
const bare = fastify();
bare.post('/bench/bare', async () => ({ decision: true }));
await bare.listen({ host: '127.0.0.1', port: 0 });

let touching;
let stopTiming;
let stopProfile;
let stopCounting;

const METHODS = {
  ready: () => ({
    port: app.server.address().port,
    barePort: bare.server.address().port,
    policies: service.activePolicies.rules.policies.size,
    slices: sliceSizes(),
  }),
  /** With the garbage collected. */
  memory: () => {
    collect();
    return process.memoryUsage();
  },
  usage: () => ({ loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() }),
  /** From now on writes that change no answer, five times a second: what is kept of the graph is dropped. */
  cold: (on) => {
    clearInterval(touching);
    if (on) touching = setInterval(touch, TOUCH_EVERY_MS);
  },
  /** One write that changes no answer and drops those that are kept. */
  touch: async () => {
    await service.activePolicies.engine.write([{ operation: 'touch', relationship: UNRELATED }], 'bench');
  },
  /** The questions as checks of SpiceDB alone, from this process, so many at a time. */
  checks: async (limits) => {
    const { bareClient } = await import('../load/bare.mjs');
    const client = bareClient(service.config.spicedb);
    try {
      const questions = JSON.parse(readFileSync(join(directory, 'questions.json'), 'utf8'));
      const { latencies, ...rest } = await client.load({ questions, ...limits });
      return {
        ...rest,
        p50: percentile(latencies, 50),
        p95: percentile(latencies, 95),
        p99: percentile(latencies, 99),
      };
    } finally {
      client.close();
    }
  },
  timeTokens: () => timeTokens(service),
  startTiming: () => {
    stopTiming = timePorts(service, app.server);
  },
  stopTiming: () => stopTiming(),
  startCounting: async () => {
    const { countRoundTrips } = await import('./roundtrips.mjs');
    stopCounting = countRoundTrips();
  },
  stopCounting: () => stopCounting(),
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
  METHODS.touch().catch((error) => {
    process.stderr.write(`bench: the unrelated write failed: ${String(error)}\n`);
    process.exitCode = 1;
  });
}

/** How many policies and duties a question about each action comes before. */
function sliceSizes() {
  const { vocabulary, deciding, duties } = service.activePolicies.rules;
  const agent = vocabulary.entityTypes.get('Agent');
  return vocabulary.actions.flatMap((action) =>
    action.resourceTypes.map(
      (type) => deciding.slice(agent, action, type).policies.length + duties.slice(agent, action, type).policies.length,
    ),
  );
}
