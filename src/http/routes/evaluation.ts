/** `/access/v1/evaluation` and `/access/v1/evaluations`: decisions, singly or as a batch. */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { decide, type DecisionDeps } from '../../decide/decide.js';
import { BadRequest } from '../../model/faults.js';
import type { Caller } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import {
  evaluationAnswerFormat,
  evaluationAnswersFormat,
  toItemErrorAnswer,
  toEvaluationAnswer,
  type EvaluationAnswer,
} from '../authzen-response.js';
import { createRequestContext } from '../request-context.js';
import {
  evaluationFormat,
  evaluationsFormat,
  parseQuestion,
  type BatchSemantic,
  type RequestContext,
} from '../authzen-request.js';
import { requireCaller, authenticate, buildChallenges } from '../edge/authentication.js';
import { inputErrors } from '../edge/errors.js';
import { z } from 'zod';

/** Items of a batch decided at one time: enough for one bulk check, few enough for other requests to get their turn. */
const MAX_CONCURRENT_ITEMS = 100;

export function evaluationRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['evaluate'], { agents: true });

  app.post('/access/v1/evaluation', {
    schema: {
      tags: ['decisions'],
      summary: 'May this be done?',
      body: evaluationFormat,
      response: { ...inputErrors, 200: evaluationAnswerFormat, 503: evaluationAnswerFormat },
    },
    onRequest,
    handler: (request, reply) => answerQuestion(service, request, reply, request.body),
  });

  app.post('/access/v1/evaluations', {
    schema: {
      tags: ['decisions'],
      summary: 'May these be done?',
      body: evaluationsFormat,
      response: {
        ...inputErrors,
        200: z.union([evaluationAnswersFormat, evaluationAnswerFormat]),
        503: evaluationAnswerFormat,
      },
    },
    onRequest,
    handler: async (request, reply) => {
      const { evaluations: items = [], options, ...defaults } = request.body;
      // Absent or empty: the batch is a single question.
      if (items.length === 0) return answerQuestion(service, request, reply, defaults);
      const questions = items.map((item) =>
        isObject(item) ? { ...defaults, ...pickQuestionMembers(item) } : undefined,
      );
      const tokenRequired = [defaults, ...questions].some(carriesToken);
      const requestContext = createRequestContext(request, service, { tokenExpected: tokenRequired, explain: true });
      const isMinimal = negotiateMinimalAnswer(request, reply, requestContext.caller);
      const evaluations = await service.activePolicies.withSnapshot((deps) =>
        answerBatch(questions, options?.evaluations_semantic ?? 'execute_all', (question, index) =>
          answerItem(question, index, { requestContext, isMinimal, deps, log: request.log }),
        ),
      );
      return reply.send({ evaluations });
    },
  });
}

async function answerQuestion(
  service: Service,
  request: FastifyRequest,
  reply: FastifyReply,
  body: unknown,
): Promise<FastifyReply> {
  const caller = requireCaller(request);
  const question = parseQuestion(body, createRequestContext(request, service, { explain: true }));
  const decision = await service.activePolicies.withSnapshot((deps) => decide(question, deps));
  request.decisionId = decision.id;
  const scope = caller.kind === 'agent' ? decision.firstDenial.remedies.find((r) => r.type === 'scope') : undefined;
  if (scope !== undefined) void reply.header('www-authenticate', buildChallenges(reply, scope.challenge));
  return reply
    .code(decision.fault === undefined ? 200 : 503)
    .send(toEvaluationAnswer(decision, caller, negotiateMinimalAnswer(request, reply, caller)));
}

interface BatchContext {
  readonly requestContext: RequestContext;
  readonly isMinimal: boolean;
  readonly deps: DecisionDeps;
  readonly log: FastifyBaseLogger;
}

/** Decides one item of a batch. An item that is no valid question, or meets a bug, is denied alone. */
async function answerItem(
  item: object | undefined,
  index: number,
  { requestContext, isMinimal, deps, log }: BatchContext,
): Promise<EvaluationAnswer> {
  try {
    if (item === undefined) throw new BadRequest('must be an object');
    const decision = await decide(parseQuestion(item, requestContext), deps);
    return toEvaluationAnswer(decision, requestContext.caller, isMinimal);
  } catch (error) {
    if (error instanceof BadRequest) return toItemErrorAnswer(error, index, isMinimal);
    log.error({ err: error }, 'unexpected error');
    const internal = { status: 500, code: 'internal', message: 'Something is wrong with Remit itself.', at: '' };
    return toItemErrorAnswer(internal, index, isMinimal);
  }
}

/** Answers the items in order, many at one time where the semantic asks for all of them, and else one by one. */
async function answerBatch<T>(
  items: readonly T[],
  semantic: BatchSemantic,
  answer: (item: T, index: number) => Promise<EvaluationAnswer>,
): Promise<EvaluationAnswer[]> {
  const answers: EvaluationAnswer[] = [];
  const chunkSize = semantic === 'execute_all' ? MAX_CONCURRENT_ITEMS : 1;
  for (let start = 0; start < items.length; start += chunkSize) {
    const chunk = items.slice(start, start + chunkSize);
    answers.push(...(await Promise.all(chunk.map((item, i) => answer(item, start + i)))));
    const lastDecision = answers.at(-1)?.decision;
    if (semantic === 'deny_on_first_deny' && lastDecision === false) break;
    if (semantic === 'permit_on_first_permit' && lastDecision === true) break;
  }
  return answers;
}

const QUESTION_MEMBERS = ['subject', 'action', 'resource', 'context'] as const;

function pickQuestionMembers(body: object): Record<string, unknown> {
  return Object.fromEntries(
    QUESTION_MEMBERS.filter((m) => Object.hasOwn(body, m)).map((m) => [m, (body as Record<string, unknown>)[m]]),
  );
}

function carriesToken(question: Readonly<Record<string, unknown>> | undefined): boolean {
  return isObject(question?.['context']) && question['context']['token'] !== undefined;
}

/**
 * @returns whether the answer is to be minimal, by `Prefer: return=minimal` (RFC 7240) or by the client's configuration;
 *   a preference that is followed is acknowledged in the reply's headers
 */
function negotiateMinimalAnswer(request: FastifyRequest, reply: FastifyReply, caller: Caller): boolean {
  const preferred = [request.headers['prefer'] ?? []]
    .flat()
    .some((p) => /(?:^|[,;\s])return\s*=\s*"?minimal"?(?:$|[,;\s])/i.test(p));
  if (preferred) void reply.header('preference-applied', 'return=minimal');
  return preferred || (caller.kind === 'client' && caller.client.answers === 'minimal');
}
