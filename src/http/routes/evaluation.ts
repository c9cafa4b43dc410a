/** `/access/v1/evaluation` and `/access/v1/evaluations`: decisions, singly or as a batch. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decide, type DecisionDeps } from '../../decide/decide.js';
import { BadRequest } from '../../model/faults.js';
import type { Decision } from '../../model/decision.js';
import type { Caller } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import {
  evaluationAnswerFormat,
  evaluationAnswersFormat,
  toInvalidItemAnswer,
  toEvaluationAnswer,
  type EvaluationAnswer,
} from '../authzen-response.js';
import { createRequestContext } from '../request-context.js';
import { evaluationFormat, evaluationsFormat, parseQuestion, type EvaluationsRequest } from '../authzen-request.js';
import { requireCaller, authenticate, buildChallenges } from '../edge/authentication.js';
import { inputErrors } from '../edge/errors.js';
import { z } from 'zod';

/** Items of a batch decided at one time: enough for one bulk check, few enough for other requests to get their turn. */
const MAX_CONCURRENT_ITEMS = 100;
const TAG = ['decisions'];

export function evaluationRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['evaluate'], { agents: true });

  app.post('/access/v1/evaluation', {
    schema: {
      tags: TAG,
      summary: 'May this be done?',
      body: evaluationFormat,
      response: { ...inputErrors, 200: evaluationAnswerFormat, 503: evaluationAnswerFormat },
    },
    onRequest,
    handler: (request, reply) => answerQuestion(request, reply, request.body),
  });

  app.post('/access/v1/evaluations', {
    schema: {
      tags: TAG,
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
      const body = request.body;
      // Absent or empty: the batch is a single question.
      if (body.evaluations === undefined || body.evaluations.length === 0) return answerQuestion(request, reply, body);
      const caller = requireCaller(request);
      const { evaluations: items } = body;
      const isMinimal = wantsMinimalAnswer(request, reply, caller);
      return reply.send({
        evaluations: await service.activePolicies.withSnapshot((deps) =>
          answerBatch(body, items, caller, request, isMinimal, deps),
        ),
      });
    },
  });

  async function answerQuestion(request: FastifyRequest, reply: FastifyReply, body: unknown): Promise<FastifyReply> {
    const caller = requireCaller(request);
    const question = parseQuestion(body, createRequestContext(request, service, { explain: true }));
    const decision = await service.activePolicies.withSnapshot((deps) => decide(question, deps));
    request.decisionId = decision.id;
    const scope = caller.kind === 'agent' ? decision.firstFailure.remedies.find((r) => r.type === 'scope') : undefined;
    if (scope !== undefined) void reply.header('www-authenticate', buildChallenges(reply, scope.challenge));
    return reply
      .code(decision.fault === undefined ? 200 : 503)
      .send(toEvaluationAnswer(decision, caller, wantsMinimalAnswer(request, reply, caller)));
  }

  async function answerBatch(
    body: EvaluationsRequest,
    items: readonly unknown[],
    caller: Caller,
    request: FastifyRequest,
    isMinimal: boolean,
    deps: DecisionDeps,
  ): Promise<EvaluationAnswer[]> {
    const defaults = pickQuestionMembers(body);
    const questions = items.map((item) => (isObject(item) ? { ...defaults, ...pickQuestionMembers(item) } : undefined));
    const tokenExpected = [defaults, ...questions].some(
      (m) => isObject(m?.['context']) && m['context']['token'] !== undefined,
    );

    const requestContext = createRequestContext(request, service, { tokenExpected, explain: true });
    const answerItem = async (item: Record<string, unknown> | undefined, index: number): Promise<EvaluationAnswer> => {
      try {
        if (item === undefined) throw new BadRequest('must be an object');
        const decision: Decision = await decide(parseQuestion(item, requestContext), deps);
        return toEvaluationAnswer(decision, caller, isMinimal);
      } catch (error) {
        if (error instanceof BadRequest) return toInvalidItemAnswer(error, index, isMinimal);
        // A bug in one item is logged, and the other items are answered.
        request.log.error({ err: error }, 'a bug');
        return toInvalidItemAnswer(
          new BadRequest('Something is wrong with Remit itself.', '', 500, 'internal'),
          index,
          isMinimal,
        );
      }
    };
    const semantic = body.options?.evaluations_semantic ?? 'execute_all';
    const answers: EvaluationAnswer[] = [];
    const chunkSize = semantic === 'execute_all' ? MAX_CONCURRENT_ITEMS : 1;
    for (let start = 0; start < questions.length; start += chunkSize) {
      answers.push(
        ...(await Promise.all(questions.slice(start, start + chunkSize).map((item, i) => answerItem(item, start + i)))),
      );
      const lastDecision = answers.at(-1)?.decision;
      if (semantic === 'deny_on_first_deny' && lastDecision === false) break;
      if (semantic === 'permit_on_first_permit' && lastDecision === true) break;
    }
    return answers;
  }
}

const QUESTION_MEMBERS = ['subject', 'action', 'resource', 'context'] as const;

function pickQuestionMembers(body: object): Record<string, unknown> {
  return Object.fromEntries(
    QUESTION_MEMBERS.filter((m) => Object.hasOwn(body, m)).map((m) => [m, (body as Record<string, unknown>)[m]]),
  );
}

/** Whether a minimal answer is wanted, by `Prefer: return=minimal` (RFC 7240) or by the client's configuration. */
function wantsMinimalAnswer(request: FastifyRequest, reply: FastifyReply, caller: Caller): boolean {
  const preferred = [request.headers['prefer'] ?? []]
    .flat()
    .some((p) => /(?:^|[,;\s])return\s*=\s*"?minimal"?(?:$|[,;\s])/i.test(p));
  if (preferred) void reply.header('preference-applied', 'return=minimal');
  return preferred || (caller.kind === 'client' && caller.client.answers === 'minimal');
}
