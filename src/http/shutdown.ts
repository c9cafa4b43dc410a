/**
 * Shuts a service down: it reports that it is not ready, serves on until load balancers have noticed, takes no more
 * connections, finishes requests under way, and writes pending records. A second signal ends the process at once.
 */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { ShutdownConfig } from '../config/config.js';
import { withTimeout } from '../runtime/timeout.js';
import type { Service } from '../service/service.js';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** The interval at which idle connections are closed. */
const IDLE_SWEEP_MS = 50;

/** Resolves with the first signal to stop. The next one ends the process as if it were not handled. */
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
 * @param signal SIGINT comes from a terminal, with no load balancer to wait for
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

/** Closes an application. Kept-alive connections close after their next answer, or as soon as they are idle. */
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
