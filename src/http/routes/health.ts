/** `/health/live` and `/health/ready`: whether the process answers, and whether decisions can be made. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Deadline, engineFaultCode } from '../../runtime/deadline.js';
import type { FaultCode } from '../../model/faults.js';
import type { Client } from '../../model/question.js';
import { sha256 } from '../../runtime/sha256.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import type { Admission } from '../edge/load-shedding.js';
import { parseAuthorizationHeader } from '../edge/authorization-header.js';
import { problemFormat, sendTooManyRequests } from '../edge/errors.js';
import { restrictClient } from '../edge/listener-scope.js';

const circuitFormat = z.object({
  state: z.enum(['closed', 'open', 'half_open']),
  opened: z.number(),
  refused: z.number(),
});
const engineFormat = z.object({ active: z.number(), waiting: z.number(), circuit: circuitFormat.optional() });
const readinessFormat = z
  .object({
    status: z.enum(['ready', 'unready', 'stopping']),
    checks: z.record(z.string(), z.enum(['ok', 'failed'])).optional(),
    faults: z.record(z.string(), z.string()).optional().describe('Why a check failed: codes of faults'),
    policy_version: z.string().optional(),
    policies_refused: z
      .object({ at: z.string(), reason: z.string() })
      .optional()
      .describe('Why the policy files as they are now are not in force'),
    load: z
      .object({
        in_flight: z.number(),
        body_bytes: z.number(),
        shed: z.object({ in_flight: z.number(), bodies: z.number(), memory: z.number() }),
        records: z.object({ waiting: z.number(), pending_corrections: z.number() }),
        database: engineFormat,
        relationships: engineFormat,
      })
      .optional(),
  })
  .meta({ id: 'Readiness' });

/**
 * Headers by which a command of the same user finds out that it asks the service of its data directory: another process
 * may listen at that address by now.
 */
export const HOLDER_CHALLENGE_HEADER = 'remit-holder-challenge';
export const HOLDER_PROOF_HEADER = 'remit-holder-proof';
const HOLDER_CHALLENGE = /^[A-Za-z0-9_-]{32,64}$/;

/** The engines are checked at most once in this time, however often readiness is asked for. */
const CHECK_INTERVAL_MS = 1_000;

/** The fault of each engine; undefined where it works. */
type ReadinessChecks = Readonly<Record<'database' | 'relationships' | 'records', FaultCode | undefined>>;

/** Finds whether decisions can be made. */
export class Readiness {
  /** The service was told to stop, so that load balancers send no more requests. */
  stopping = false;
  private checks: Promise<ReadinessChecks> | undefined;
  private checkedAt = -Infinity;

  constructor(private readonly service: Service) {}

  /** The checks of the last second, or new ones; of a lost engine it is known that it never comes back. */
  async getChecks(): Promise<ReadinessChecks> {
    const now = performance.now();
    if (this.checks === undefined || now - this.checkedAt >= CHECK_INTERVAL_MS || this.service.hasLostEngine()) {
      this.checks = this.runChecks();
      this.checkedAt = now;
    }
    return this.checks;
  }

  private async runChecks(): Promise<ReadinessChecks> {
    const { database, activePolicies, decisions, deadlineMs } = this.service;
    const findFault = (check: () => Promise<unknown>): Promise<FaultCode | undefined> =>
      Deadline.run(deadlineMs, (deadline) => deadline.race(check())).then(() => undefined, engineFaultCode);
    const [databaseFault, relationshipsFault, recordsFault] = await Promise.all([
      findFault(() => database.run([{ sql: 'select 1' }])),
      findFault(() =>
        activePolicies.engine.read({ resourceType: activePolicies.rules.graph.definitionNames()[0] ?? '' }, 1, 'full'),
      ),
      // A database that answers may still refuse records. They are tried again here: once no request arrives because of
      // this answer, nothing else would.
      findFault(async () => (decisions.stats().failing ? decisions.flush() : undefined)),
    ]);
    return { database: databaseFault, relationships: relationshipsFault, records: recordsFault };
  }
}

/** Admin clients read the faults and the load, every other caller only the status. */
export function healthRoutes(app: TypedApp, service: Service): void {
  const { readiness, admission } = app.health;

  app.get('/health/live', {
    schema: {
      tags: ['operations'],
      summary: 'The process answers',
      response: { 200: z.object({ status: z.literal('ok') }), 429: problemFormat },
    },
    config: { essential: true },
    handler: (request, reply) => {
      const challenge = request.headers[HOLDER_CHALLENGE_HEADER];
      if (typeof challenge === 'string' && HOLDER_CHALLENGE.test(challenge))
        void reply.header(HOLDER_PROOF_HEADER, service.proveHolding(challenge));
      return { status: 'ok' } as const;
    },
  });

  app.get('/health/ready', {
    schema: {
      tags: ['operations'],
      summary: 'Decisions can be made; for admin clients, what can not be reached and how much is under way',
      response: { 200: readinessFormat, 429: problemFormat, 503: readinessFormat },
    },
    config: { essential: true },
    handler: async (request, reply) => {
      const client = findRequestClient(request, service);
      if (client === 'unknown') {
        // As at every other route: else keys could be guessed here at any rate.
        const failures = app.rateLimiter.countFailure(request);
        if (!failures.allowed) return sendTooManyRequests(reply, failures);
      }
      const isAdmin = typeof client === 'object' && client.may.has('admin');
      const checks = await readiness.getChecks();
      const allPassed = Object.values(checks).every((fault) => fault === undefined);
      const status = readiness.stopping ? 'stopping' : allPassed ? 'ready' : 'unready';
      return reply.code(status === 'ready' ? 200 : 503).send({
        status,
        ...(isAdmin
          ? { ...toChecksJson(checks), ...toPoliciesJson(service), load: toLoadJson(service, admission) }
          : {}),
      });
    },
  });
}

/**
 * The client that asks, with its permissions on this listener; `unknown` for a key of no client, undefined without a key.
 * Neither is refused, but reads less. Keys are compared by their hashes, so the time tells nothing of them.
 */
function findRequestClient(request: FastifyRequest, { trust }: Service): Client | 'unknown' | undefined {
  const { scheme, credential: key } = parseAuthorizationHeader(request);
  if (scheme !== 'bearer' || key === undefined) return undefined;
  const client = trust.findClient(sha256(key));
  return client === undefined ? 'unknown' : restrictClient(request.server.listenerScope, client);
}

function toChecksJson(checks: ReadinessChecks): object {
  const failed = Object.entries(checks).filter(([, fault]) => fault !== undefined);
  return {
    checks: Object.fromEntries(
      Object.entries(checks).map(([name, fault]) => [name, fault === undefined ? 'ok' : 'failed']),
    ),
    ...(failed.length === 0 ? {} : { faults: Object.fromEntries(failed) }),
  };
}

/** Policies that were refused are no matter of readiness: decisions are made with those in force. */
function toPoliciesJson({ activePolicies: { rules, refusal } }: Service): object {
  return {
    policy_version: rules.version,
    ...(refusal === undefined ? {} : { policies_refused: { at: refusal.at, reason: refusal.reason } }),
  };
}

function toLoadJson({ database, activePolicies, decisions }: Service, admission: Admission): object {
  const { inFlight, bodyBytes, shed } = admission.stats();
  const { waiting, pendingCorrections } = decisions.stats();
  return {
    in_flight: inFlight,
    body_bytes: bodyBytes,
    shed: { in_flight: shed.inFlight, bodies: shed.bodies, memory: shed.memory },
    records: { waiting, pending_corrections: pendingCorrections },
    database: database.stats(),
    relationships: activePolicies.engine.stats(),
  };
}
