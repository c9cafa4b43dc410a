/**
 * The end of a service: it says that it is not ready, goes on serving until those who balance load have heard, takes no
 * more connections, finishes what is under way, and writes down what is owed. A second signal ends it at once.
 */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { ShutdownConfig } from '../config/config.js';
import { withTimeout } from '../runtime/timeout.js';
import type { Service } from '../service/service.js';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** Between two looks for connections on which nothing is under way any more. */
const IDLE_SWEEP_MS = 50;

/** The first signal to stop; the next one ends the process as if nobody listened. */
export function waitForStopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of STOP_SIGNALS)
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
export async function drainService(
  apps: readonly FastifyInstance[],
  service: Service,
  { graceMs, limitMs }: ShutdownConfig,
  signal: StopSignal,
): Promise<boolean> {
  for (const app of apps) app.health.readiness.stopping = true;
  if (signal === 'SIGTERM') await sleep(graceMs);
  const finished = await finishesWithin(limitMs, Promise.all(apps.map(closeApp)));
  if (!finished) for (const app of apps) app.server.closeAllConnections();
  const written = await finishesWithin(
    limitMs,
    service.decisions.flush().catch(() => undefined),
  );
  await service.close();
  const { waiting, pendingCorrections } = service.decisions.stats();
  return finished && written && waiting + pendingCorrections === 0;
}

/** Connections that are kept alive close behind their next answer, or as soon as they are seen to be idle. */
async function closeApp(app: FastifyInstance): Promise<void> {
  const closing = setInterval(() => app.server.closeIdleConnections(), IDLE_SWEEP_MS);
  try {
    await app.close();
  } finally {
    clearInterval(closing);
  }
}

function finishesWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  return withTimeout(
    work.then(() => true),
    ms,
    () => false,
  );
}
