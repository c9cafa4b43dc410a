/** `/access/v1/evaluation` and `/access/v1/evaluations`: may this be done, singly or many at once? */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { decide, type Deciding } from '../../decide/decide.js';
import { BadRequest } from '../../model/faults.js';
import type { Decision } from '../../model/decision.js';
import type { Caller } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import { answer, answers, badItem, toAnswer, type Answer } from '../authzen-response.js';
import { askingOf } from '../request-context.js';
import { evaluation, evaluations, toQuestion, type EvaluationsRequest } from '../authzen-request.js';
import { callerOf, admitted, challenges } from '../edge/authentication.js';
import { problemBody } from '../edge/errors.js';
import { z } from 'zod';

/** Items of a batch decided at one time: enough for one bulk check, few enough for others to come in between. */
const AT_ONCE = 100;
const TAG = ['decisions'];
const errors = { 400: problemBody, 401: problemBody, 403: problemBody, 429: problemBody };

export function evaluationRoutes(app: FastifyInstance, service: Service): void {
  const onRequest = admitted(app, service, ['evaluate'], { agents: true });

  app.post('/access/v1/evaluation', {
    schema: {
      tags: TAG,
      summary: 'May this be done?',
      body: evaluation,
      response: { 200: answer, 503: answer, ...errors },
    },
    onRequest,
    handler: (request, reply) => single(request, reply, request.body),
  });

  app.post('/access/v1/evaluations', {
    schema: {
      tags: TAG,
      summary: 'May these be done?',
      body: evaluations,
      response: { 200: z.union([answers, answer]), 503: answer, ...errors },
    },
    onRequest,
    handler: async (request, reply) => {
      const body = request.body as EvaluationsRequest;
      // Absent or empty: it answers like a single one.
      if (body.evaluations === undefined || body.evaluations.length === 0) return single(request, reply, body);
      const caller = callerOf(request);
      const { evaluations: items } = body;
      const short = minimal(request, reply, caller);
      return reply.send({
        evaluations: await service.inForce.using((deciding) => batch(body, items, caller, request, short, deciding)),
      });
    },
  });

  async function single(request: FastifyRequest, reply: FastifyReply, body: unknown): Promise<FastifyReply> {
    const caller = callerOf(request);
    const question = toQuestion(body, askingOf(request, service, { explain: true }));
    const decision = await service.inForce.using((deciding) => decide(question, deciding));
    request.decisionId = decision.id;
    const scope = caller.kind === 'agent' ? decision.first.remedies.find((r) => r.type === 'scope') : undefined;
    if (scope !== undefined) void reply.header('www-authenticate', challenges(reply, scope.challenge));
    return reply
      .code(decision.fault === undefined ? 200 : 503)
      .send(toAnswer(decision, caller, minimal(request, reply, caller)));
  }

  async function batch(
    body: EvaluationsRequest,
    items: readonly unknown[],
    caller: Caller,
    request: FastifyRequest,
    short: boolean,
    deciding: Deciding,
  ): Promise<Answer[]> {
    const defaults = membersOf(body);
    const merged = items.map((item) => (isObject(item) ? { ...defaults, ...membersOf(item) } : undefined));
    const tokenExpected = [defaults, ...merged].some(
      (m) => isObject(m?.['context']) && m['context']['token'] !== undefined,
    );

    const shared = askingOf(request, service, { tokenExpected, explain: true });
    const one = async (item: Record<string, unknown> | undefined, index: number): Promise<Answer> => {
      try {
        if (item === undefined) throw new BadRequest('must be an object');
        const decision: Decision = await decide(toQuestion(item, shared), deciding);
        return toAnswer(decision, caller, short);
      } catch (error) {
        if (error instanceof BadRequest) return badItem(error, index, short);
        // A bug, which stays loud, and one item's: its neighbours are answered.
        request.log.error({ err: error }, 'a bug');
        return badItem(new BadRequest('Something is wrong with Remit itself.', '', 500, 'internal'), index, short);
      }
    };
    const semantic = body.options?.evaluations_semantic ?? 'execute_all';
    const answered: Answer[] = [];
    const step = semantic === 'execute_all' ? AT_ONCE : 1;
    for (let from = 0; from < merged.length; from += step) {
      answered.push(...(await Promise.all(merged.slice(from, from + step).map((item, i) => one(item, from + i)))));
      const last = answered.at(-1)?.decision;
      if (semantic === 'deny_on_first_deny' && last === false) break;
      if (semantic === 'permit_on_first_permit' && last === true) break;
    }
    return answered;
  }
}

const MEMBERS = ['subject', 'action', 'resource', 'context'] as const;

function membersOf(from: object): Record<string, unknown> {
  return Object.fromEntries(
    MEMBERS.filter((m) => Object.hasOwn(from, m)).map((m) => [m, (from as Record<string, unknown>)[m]]),
  );
}

/** RFC 7240: `Prefer: return=minimal`, or the client's configuration. */
function minimal(request: FastifyRequest, reply: FastifyReply, caller: Caller): boolean {
  const preferred = [request.headers['prefer'] ?? []]
    .flat()
    .some((p) => /(?:^|[,;\s])return\s*=\s*"?minimal"?(?:$|[,;\s])/i.test(p));
  if (preferred) void reply.header('preference-applied', 'return=minimal');
  return preferred || (caller.kind === 'client' && caller.client.answers === 'minimal');
}
