/**
 * The end of a service: it says that it is not ready, goes on serving until those who balance load have heard, takes no
 * more connections, finishes what is under way, and writes down what is owed. A second signal ends it at once.
 */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Shutdown } from '../config/config.js';
import type { Service } from '../service/service.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type Signal = (typeof SIGNALS)[number];

/** Between two looks for connections on which nothing is under way any more. */
const LOOK_MS = 50;

/** The first signal to stop; the next one ends the process as if nobody listened. */
export function stopSignal(): Promise<Signal> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of SIGNALS)
      process.on(signal, () => {
        if (stopping) process.exit(128 + constants.signals[signal]);
        stopping = true;
        resolve(signal);
      });
  });
}

/**
 * @param signal SIGINT comes from a terminal, which balances no load
 * @returns whether everything was finished and written in time
 */
export async function drain(
  apps: readonly FastifyInstance[],
  service: Service,
  { graceMs, limitMs }: Shutdown,
  signal: Signal,
): Promise<boolean> {
  for (const app of apps) app.health.readiness.stopping = true;
  if (signal === 'SIGTERM') await sleep(graceMs);
  const finished = await within(limitMs, Promise.all(apps.map(finish)));
  if (!finished) for (const app of apps) app.server.closeAllConnections();
  const written = await within(
    limitMs,
    service.decisions.flush().catch(() => undefined),
  );
  await service.close();
  const { waiting, pendingCorrections } = service.decisions.stats();
  return finished && written && waiting + pendingCorrections === 0;
}

/** Connections that are kept alive close behind their next answer, or as soon as they are seen to be idle. */
async function finish(app: FastifyInstance): Promise<void> {
  const closing = setInterval(() => app.server.closeIdleConnections(), LOOK_MS);
  try {
    await app.close();
  } finally {
    clearInterval(closing);
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const late = new AbortController();
  const done = await Promise.race([
    work.then(() => true),
    sleep(ms, false, { signal: late.signal }).catch(() => false),
  ]);
  late.abort();
  return done;
}
