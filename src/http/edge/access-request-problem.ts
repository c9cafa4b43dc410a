/** The errors of access requests, as AuthZEN's access request and approval profile names them: problem details (RFC 9457). */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';

const TYPE_PREFIX = 'urn:openid:authzen:access-request:error:';

const PROBLEMS = {
  not_requestable: { status: 400, title: 'Access is not requestable' },
  expired_denial: { status: 410, title: 'The denial is too old' },
  invalid_denial_binding: { status: 400, title: 'The request is not for what was denied' },
  duplicate_request: { status: 409, title: 'The idempotency key was used for another request' },
  unknown_task: { status: 404, title: 'There is no such task' },
  task_expired: { status: 410, title: 'The task has expired' },
  invalid_task_state: { status: 409, title: 'The task is in another state' },
} as const;
export type AccessRequestProblemType = keyof typeof PROBLEMS;

export const accessRequestProblemFormat = z
  .object({
    type: z.string().describe('`urn:openid:authzen:access-request:error:…`'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    at: z.string().optional().describe('Where in the request, as a path'),
  })
  .meta({
    id: 'AccessRequestProblem',
    examples: [
      {
        type: `${TYPE_PREFIX}not_requestable`,
        title: PROBLEMS.not_requestable.title,
        status: 400,
        detail: 'The decision was no denial that approvals would lift.',
      },
    ],
  });

export class AccessRequestProblem extends Error {
  override readonly name = 'AccessRequestProblem';

  /** @param at the place in the request, as a path; empty for the request as a whole */
  constructor(
    readonly type: AccessRequestProblemType,
    detail: string,
    readonly at = '',
  ) {
    super(detail);
  }
}

export function sendAccessRequestProblem(
  reply: FastifyReply,
  { type, message, at }: AccessRequestProblem,
): FastifyReply {
  const { status, title } = PROBLEMS[type];
  const problem = { type: TYPE_PREFIX + type, title, status, detail: message, ...(at === '' ? {} : { at }) };
  return reply.code(status).type('application/problem+json').send(problem);
}
