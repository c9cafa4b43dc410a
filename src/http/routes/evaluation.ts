/** `/access/v1/evaluation` and `/access/v1/evaluations`: decisions, singly or as a batch. */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import { decide, type DecisionDeps } from '../../decide/decide.js';
import { rehearse } from '../../decide/rehearsal.js';
import { formatItemId, newBatchId } from '../../decide/decision-id.js';
import { BadRequest, Fault } from '../../model/faults.js';
import type { Decision } from '../../model/decision.js';
import type { Caller } from '../../model/question.js';
import { describeOffer } from '../access-offer-json.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import { yieldToEventLoop } from '../../runtime/yield.js';
import type { TypedApp } from '../typed-app.js';
import {
  evaluationAnswerFormat,
  evaluationAnswersFormat,
  toItemErrorAnswer,
  toEvaluationAnswer,
  type EvaluationAnswer,
} from '../authzen-response.js';
import { QUESTION_PARTS, type QuestionParts } from '../question-size.js';
import { createBatchContext, createRequestContext } from '../request-context.js';
import { evaluationFormat, evaluationsFormat, type BatchSemantic } from '../authzen-formats.js';
import { parseQuestion, type RequestContext } from '../authzen-request.js';
import { authenticate } from '../edge/authentication.js';
import { nameDecision } from '../edge/observability.js';
import { requireCaller } from '../edge/request-party.js';
import { buildChallenges } from '../edge/unauthorized.js';
import type { DecisionTurn } from '../edge/decision-turns.js';
import { inputErrors, RateLimitExceeded } from '../edge/errors.js';
import { z } from 'zod';

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
    config: { turns: 1, repeatable: true, passesToken: true, namesDecision: true },
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
    config: { compresses: true, repeatable: true, passesToken: true, namesDecision: true },
    handler: async (request, reply) => {
      const { evaluations: statedItems, options, ...stated } = request.body;
      const items = statedItems ?? [];
      const defaults = pickQuestionMembers(stated);
      // Absent or empty: the batch is a single question.
      if (items.length === 0) {
        request.turn = await app.turns.take(request, { question: defaults });
        return answerQuestion(service, request, reply, defaults);
      }
      const questions = items.map((item) =>
        isObject(item) ? { ...defaults, ...pickQuestionMembers(item) } : undefined,
      );
      const tokenRequired = [defaults, ...questions].some(carriesToken);
      const isMinimal = negotiateMinimalAnswer(request, reply, requireCaller(request));
      const batchId = newBatchId();
      nameDecision(request, reply, batchId);
      const batchContext = createBatchContext(request, service, {
        tokenExpected: tokenRequired,
        explain: wantsPath(service, isMinimal),
        repeatable: true,
      });
      const evaluations = await service.activePolicies.withSnapshot((deps) => {
        const dryRunDeps = rehearse(deps);
        return answerBatch(questions, options?.evaluations_semantic ?? 'execute_all', {
          takeTurn: (question) => app.turns.take(request, { question }),
          isAbandoned: () => reply.raw.destroyed,
          answer: (question, index, { account }) =>
            answerItem(question, index, {
              id: formatItemId(batchId, index),
              requestContext: { ...batchContext, account },
              isMinimal,
              deps,
              dryRunDeps,
              service,
              baseUrl: app.getBaseUrl(),
              log: request.log,
            }),
          refuse: (refusal, index) => toItemErrorAnswer(toItemError(refusal), index, isMinimal),
        });
      });
      return reply.send({ evaluations });
    },
  });
}

async function answerQuestion(
  service: Service,
  request: FastifyRequest,
  reply: FastifyReply,
  body: QuestionParts,
): Promise<FastifyReply> {
  const caller = requireCaller(request);
  const isMinimal = negotiateMinimalAnswer(request, reply, caller);
  const question = parseQuestion(
    body,
    createRequestContext(request, service, { explain: wantsPath(service, isMinimal), repeatable: true }),
  );
  const decision = await service.activePolicies.withSnapshot((deps) => decide(question, deps));
  nameDecision(request, reply, decision.id);
  if (decision.fault !== undefined) request.failure = { fault: decision.fault };
  const scope = caller.kind === 'agent' ? decision.firstDenial.remedies.find((r) => r.type === 'scope') : undefined;
  if (scope !== undefined) void reply.header('www-authenticate', buildChallenges(reply, scope.challenge));
  const answer = await answerDecision(decision, caller, isMinimal, service, reply.server.getBaseUrl());
  return reply.code(decision.fault === undefined ? 200 : 503).send(answer);
}

/** Whether the path of relationships is looked for: an answer without it, and a record that is to have none, need none. */
function wantsPath({ config }: Pick<Service, 'config'>, isMinimal: boolean): boolean {
  return !isMinimal && config.records.path === 'recorded';
}

/** @param baseUrl where this service is reached */
async function answerDecision(
  decision: Decision,
  caller: Caller,
  isMinimal: boolean,
  { signing, config }: Pick<Service, 'signing' | 'config'>,
  baseUrl: string,
): Promise<EvaluationAnswer> {
  const accessRequest = isMinimal ? undefined : await describeOffer(decision, signing, baseUrl);
  const { delegateUrl } = config.delegations;
  return toEvaluationAnswer(decision, caller, isMinimal, { accessRequest, delegateUrl });
}

interface ItemContext {
  readonly id: string;
  readonly requestContext: RequestContext;
  readonly isMinimal: boolean;
  readonly deps: DecisionDeps;
  /** Those of dry runs, which share what they would use. */
  readonly dryRunDeps: DecisionDeps;
  readonly service: Pick<Service, 'signing' | 'config'>;
  readonly baseUrl: string;
  readonly log: FastifyBaseLogger;
}

/** Decides one item of a batch. An item that is no valid question, or meets a bug, is denied alone. */
async function answerItem(
  item: object | undefined,
  index: number,
  { id, requestContext, isMinimal, deps, dryRunDeps, service, baseUrl, log }: ItemContext,
): Promise<EvaluationAnswer> {
  try {
    // A thousand items that are none would otherwise be read without a pause.
    await yieldToEventLoop();
    if (item === undefined) throw new BadRequest('must be an object');
    const question = parseQuestion(item, requestContext);
    const decision = await decide(question, question.dryRun ? dryRunDeps : deps, id);
    return await answerDecision(decision, requestContext.caller, isMinimal, service, baseUrl);
  } catch (error) {
    if (error instanceof BadRequest) return toItemErrorAnswer(error, index, isMinimal);
    log.error({ err: error }, 'unexpected error');
    const internal = { status: 500, code: 'internal', message: 'Something is wrong with Remit itself.', at: '' };
    return toItemErrorAnswer(internal, index, isMinimal);
  }
}

type TurnRefusal = Fault | RateLimitExceeded;

interface BatchWork<T> {
  /** Waits until an item may be decided. @throws Fault `overloaded`; RateLimitExceeded */
  readonly takeTurn: (item: T) => Promise<DecisionTurn>;
  /** Whether the caller has hung up, so that nothing more is worth deciding. */
  readonly isAbandoned: () => boolean;
  readonly answer: (item: T, index: number, turn: DecisionTurn) => Promise<EvaluationAnswer>;
  /** The answer to an item that got no turn. */
  readonly refuse: (refusal: TurnRefusal, index: number) => EvaluationAnswer;
}

/**
 * Answers the items in order, as many at one time as the caller has turns where the semantic asks for all of them, and else
 * one by one. Once an item gets no turn, none of those after it waits for one.
 */
async function answerBatch<T>(
  items: readonly T[],
  semantic: BatchSemantic,
  { takeTurn, isAbandoned, answer, refuse }: BatchWork<T>,
): Promise<EvaluationAnswer[]> {
  const answers: Promise<EvaluationAnswer>[] = [];
  let refusal: TurnRefusal | undefined;
  for (const [index, item] of items.entries()) {
    if (isAbandoned()) break;
    const turn = refusal ?? (await takeTurn(item).catch((error: unknown) => (refusal = toRefusal(error))));
    if (!('end' in turn)) {
      answers.push(Promise.resolve(refuse(turn, index)));
      continue;
    }
    answers.push(answer(item, index, turn).finally(turn.end));
    if (semantic === 'execute_all') continue;
    const { decision } = (await answers.at(-1)) ?? { decision: false };
    if (decision === (semantic === 'permit_on_first_permit')) break;
  }
  return Promise.all(answers);
}

/** @throws the error where it refuses nothing */
function toRefusal(error: unknown): TurnRefusal {
  if (error instanceof Fault || error instanceof RateLimitExceeded) return error;
  throw error;
}

function toItemError(refusal: TurnRefusal): Parameters<typeof toItemErrorAnswer>[0] {
  return refusal instanceof Fault
    ? { status: 503, code: refusal.code, message: refusal.message, at: '' }
    : { status: 429, code: 'rate_limited', message: 'Too many bytes of decision records; ask again later.', at: '' };
}

/** The parts of a question that are stated: of an item or of the defaults. A null states nothing. */
function pickQuestionMembers(body: object): QuestionParts {
  const members: QuestionParts = body;
  return Object.fromEntries(
    QUESTION_PARTS.flatMap((part) => {
      const value = members[part] ?? undefined;
      return value === undefined ? [] : [[part, value]];
    }),
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
