/** HTTP errors: their one format, and the one place that maps every thrown error to it. An engine's own text never leaves. */
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { listKnownKeys } from '../../config/schema-types.js';
import { didYouMean } from '../../diagnostics/suggest.js';
import { BadRequest, Fault } from '../../model/faults.js';
import { describeFailure } from '../../telemetry/describe-failure.js';
import { AccessRequestProblem, sendAccessRequestProblem } from './access-request-problem.js';
import { rephraseIssue, StrictJsonError, formatJsonPath } from '../../runtime/strict-json.js';

export const problemFormat = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      at: z.string().optional().describe('Where in the request, as a path'),
      max_age: z.int().optional().describe('The seconds since when the user must have signed in (RFC 9470)'),
    }),
  })
  .meta({ id: 'Problem' });

export type ProblemBody = z.infer<typeof problemFormat>;

/** The errors that every route with a caller may answer: the caller is unknown, may not, asks too often, or Remit can't. */
export const commonErrors = { 401: problemFormat, 403: problemFormat, 429: problemFormat, 503: problemFormat };

/** The same for a route that reads parameters, a query or a body. */
export const inputErrors = { 400: problemFormat, ...commonErrors };

export function createProblem(code: string, message: string, at?: string): ProblemBody {
  return { error: { code, message, ...(at === undefined || at === '' ? {} : { at }) } };
}

/**
 * Takes the first issue of a failed parse, with its place.
 * @param within the place of what was parsed
 * @param schema what it was parsed by, for the name that was meant by an unknown one
 */
export function toBadRequest(error: z.ZodError, within: readonly string[] = [], schema?: z.ZodType): BadRequest {
  const issue = error.issues[0] === undefined ? undefined : findPlainIssue(error.issues[0]);
  return new BadRequest(
    issue === undefined ? 'is not acceptable' : `${rephraseIssue(issue)}${suggestName(issue, schema)}`,
    formatJsonPath([...within, ...(issue?.path ?? [])]),
  );
}

/** Longer names are no slips of ours, and comparing them would take long. */
const MAX_SUGGESTED_LENGTH = 64;

function suggestName(issue: z.core.$ZodIssue, schema: z.ZodType | undefined): string {
  if (issue.code !== 'unrecognized_keys' || schema === undefined) return '';
  const [key = '', ...others] = issue.keys;
  if (others.length > 0 || key.length > MAX_SUGGESTED_LENGTH) return '';
  return didYouMean(key, listKnownKeys(schema, issue.path));
}

/**
 * Finds what is wrong within the one alternative of a union whose type the value has; that the value is missing, where it
 * is. Of several such alternatives none is known to be meant.
 */
function findPlainIssue(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const isTypeIssue = ({ code, path }: z.core.$ZodIssue): boolean => code === 'invalid_type' && path.length === 0;
  const fitting = issue.errors.filter((issues) => !issues.some(isTypeIssue));
  const inner = fitting.length === 1 ? fitting[0]?.[0] : undefined;
  const [missing] = issue.errors.flat().filter(({ message }) => rephraseIssue({ message }) === 'is required');
  const plain = inner ?? (missing !== undefined && isTypeIssue(missing) ? missing : undefined);
  return plain === undefined ? issue : findPlainIssue({ ...plain, path: [...issue.path, ...plain.path] });
}

/** A caller has no more of its rate. */
export class RateLimitExceeded extends Error {
  override readonly name = 'RateLimitExceeded';

  /** @param retryAfter seconds */
  constructor(readonly retryAfter: number) {
    super('the rate is exceeded');
  }
}

export function sendTooManyRequests(
  reply: FastifyReply,
  { retryAfter }: Pick<RateLimitExceeded, 'retryAfter'>,
): FastifyReply {
  return reply
    .code(429)
    .header('retry-after', String(retryAfter))
    .send(createProblem('rate_limited', 'Too many requests; see Retry-After.'));
}

function describeJsonProblem({ path, message }: StrictJsonError): string {
  return path === '' ? `The body ${message}.` : `In the body, "${path}" ${message}.`;
}

export function installErrorHandlers(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | Error, request, reply) => {
    if (error instanceof BadRequest)
      return reply.code(error.status).send(createProblem(error.code, error.message, error.at));
    if (error instanceof AccessRequestProblem) return sendAccessRequestProblem(reply, error);
    if (error instanceof RateLimitExceeded) return sendTooManyRequests(reply, error);
    if (error instanceof StrictJsonError)
      return reply.code(400).send(createProblem('malformed_json', describeJsonProblem(error), error.path));
    if (error instanceof Fault) {
      request.failure = { fault: error.code, cause: describeFailure(error) };
      return reply.code(503).send(reportFailure(error, request.log));
    }
    const { statusCode, code } = error as FastifyError;
    if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
      return reply.code(400).send(createProblem('content_type', 'The Content-Type must be application/json.'));
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return reply.code(statusCode).send(createProblem('bad_request', 'The request can not be read.'));
    }
    return reply.code(500).send(reportFailure(error, request.log));
  });
  app.setNotFoundHandler((request, reply) => sendRouteNotFound(request, reply));
}

/** Tells operators of what Remit, or an engine of its, has failed with. @returns what its caller is told */
export function reportFailure(error: unknown, log: FastifyBaseLogger): ReturnType<typeof createProblem> {
  if (!(error instanceof Fault)) {
    log.error({ err: error }, 'unexpected error');
    return createProblem('internal', 'Something is wrong with Remit itself.');
  }
  // Overload is counted (remit_requests_shed_total) and not told line by line, which would be load of its own.
  if (error.code !== 'overloaded') log.error({ fault: error.code, detail: error.detail }, 'an engine failed');
  return createProblem(error.code, error.message);
}

/** Answers a request for which there is no route. @param allowed the methods that its path is for, if any */
export function sendRouteNotFound(
  { method, url }: FastifyRequest,
  reply: FastifyReply,
  allowed?: readonly string[],
): FastifyReply {
  const path = url.split('?')[0] ?? '';
  if (allowed === undefined) return reply.code(404).send(createProblem('not_found', `There is no ${method} ${path}.`));
  const methods = allowed.join(', ');
  return reply
    .code(405)
    .header('allow', methods)
    .send(createProblem('method_not_allowed', `There is no ${method} ${path}: it takes ${methods}.`));
}
