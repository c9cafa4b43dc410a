/** Builds questions from requests of the AuthZEN Authorization API 1.0. */
import type { z } from 'zod';
import { CONSISTENCY_PLACE, type RelationshipGraph } from '../graph/port.js';
import {
  omitNulls,
  type Caller,
  type CallerAccount,
  type Properties,
  type Question,
  REMIT_CONTEXT_MEMBERS,
  getSupportedObligations,
} from '../model/question.js';
import { BadRequest } from '../model/faults.js';
import { certificateThumbprint } from '../tokens/proof-of-possession.js';
import type { PresentedProof } from '../model/credential.js';
import { isObject } from '../policy/schema/types.js';
import { memoizeByObject } from '../runtime/memoize.js';
import {
  type EvaluationRequest,
  actionFormat,
  contextFormat,
  type proofFormat,
  resourceFormat,
  subjectFormat,
} from './authzen-formats.js';
import { readActingParties, type PartyTypes } from './acting-parties.js';
import { toBadRequest } from './edge/errors.js';
import type { RequestIdempotencyKey } from './idempotency-key.js';
import type { RequestTokens } from './edge/request-tokens.js';
import { omitSharedNulls } from './null-members.js';
import { checkPartLengths, type QuestionParts } from './question-size.js';

export interface RequestContext {
  readonly caller: Caller;
  readonly account: CallerAccount;
  readonly requestId: string | undefined;
  readonly idempotencyKey: RequestIdempotencyKey | undefined;
  readonly tokenRequired: boolean;
  /** Each answer is a decision, which can use an approval. */
  readonly usesApprovals: boolean;
  /** The answer names the relationships that grant. */
  readonly explain: boolean;
  readonly relationships: RelationshipGraph;
  readonly tokens: RequestTokens;
  /** The token that counts where a question has none of its own: a client's header `Remit-Token`. */
  readonly headerToken: string | undefined;
  readonly partyTypes: PartyTypes;
}

/**
 * Validates and builds a question. Parts that questions share, as the defaults of a batch are, are validated once.
 * @throws BadRequest naming the place
 */
export function parseQuestion(parts: QuestionParts, requestContext: RequestContext): Question {
  checkPartLengths(parts);
  return buildQuestion(
    {
      subject: readPart('subject', parseSubject, parts.subject),
      action: readPart('action', parseAction, parts.action),
      resource: readPart('resource', parseResource, parts.resource),
      context: readPart('context', parseContext, parts.context),
    },
    requestContext,
  );
}

const parseSubject = createPartParser(subjectFormat);
const parseAction = createPartParser(actionFormat);
const parseResource = createPartParser(resourceFormat);
const parseContext = createPartParser(contextFormat.nullish());

type ParsePart<T> = (part: unknown) => z.ZodSafeParseResult<T>;

/** Parses by a format, an object once. */
function createPartParser<T>(format: z.ZodType<T>): ParsePart<T> {
  const parse: ParsePart<T> = (part) => format.safeParse(part);
  const parseObject = memoizeByObject(parse);
  return (part) => (isObject(part) ? parseObject(part) : parse(part));
}

/** @throws BadRequest naming the place */
function readPart<T>(name: keyof QuestionParts, parse: ParsePart<T>, part: unknown): T {
  const parsed = parse(part);
  if (!parsed.success) throw toBadRequest(parsed.error, [name]);
  return parsed.data;
}

/** Builds a question from a request that has been validated. @throws BadRequest naming the place */
export function buildQuestion(request: EvaluationRequest, requestContext: RequestContext): Question {
  const { subject: s, action: a, resource: r } = request;
  const c = request.context ?? {};
  const atLeast = c.consistency?.at_least ?? undefined;
  const problem = atLeast === undefined ? undefined : requestContext.relationships.tokenProblem(atLeast);
  if (problem !== undefined) throw new BadRequest(problem, CONSISTENCY_PLACE);
  return {
    caller: requestContext.caller,
    account: requestContext.account,
    ...readActingParties(s, requestContext.caller, requestContext.partyTypes),
    action: { name: a.name, properties: omitSharedNulls(a.properties ?? {}) },
    resource: { type: r.type, id: r.id, properties: omitSharedNulls(r.properties ?? {}) },
    context: pickClientMembers(c),
    ...chooseToken(c, requestContext),
    statedAgent: c.agent ?? undefined,
    statedMode: c.mode ?? undefined,
    supportedObligations: c.supported_obligations ?? getSupportedObligations(requestContext.caller),
    // The latest is at least as fresh as any token: an agent can't choose to be judged by what was.
    consistency: atLeast === undefined || requestContext.caller.kind === 'agent' ? 'full' : { atLeast },
    dryRun: c.dry_run ?? false,
    explain: requestContext.explain,
    requestId: requestContext.requestId,
    idempotencyKey: requestContext.idempotencyKey?.forQuestion(),
    approval: requestContext.usesApprovals ? pickApproval(c.approval) : undefined,
    tokenRequired: requestContext.tokenRequired,
  };
}

/** The members of a context that are the client's own. */
const pickClientMembers = memoizeByObject((context: Properties) =>
  omitNulls(
    Object.fromEntries(Object.entries(context).filter(([key]) => !REMIT_CONTEXT_MEMBERS.some((own) => own === key))),
  ),
);

/** An approval's times are the store's to say, whatever the caller states. */
function pickApproval(approval: z.infer<typeof contextFormat>['approval']): Question['approval'] {
  const id = approval?.id ?? undefined;
  return id === undefined ? undefined : { id, state: approval?.state ?? undefined };
}

/** Chooses the token of a question: an agent's own, whatever its body says, or the one that a client passes on. @throws BadRequest */
function chooseToken(
  { token, proof }: z.infer<typeof contextFormat>,
  { caller, tokens, headerToken }: RequestContext,
): Pick<Question, 'token' | 'proof' | 'usedProofs'> {
  const { usedProofs } = tokens;
  // The format has room for the longest that an issuer can be configured to sign.
  if (token !== undefined && token.length > tokens.maxTokenBytes)
    throw new BadRequest(`must have ${tokens.maxTokenBytes} characters or fewer`, 'context.token');
  if (caller.kind === 'agent') return { token: caller.presented.reading, proof: caller.presented.proof, usedProofs };
  const passedOn = token ?? headerToken;
  return {
    token: passedOn === undefined ? undefined : tokens.read(passedOn),
    proof: toPresentedProof(proof, caller),
    usedProofs,
  };
}

/** Reading a certificate takes longer than the rest of the question. */
const readThumbprint = memoizeByObject(({ certificate = '' }: z.infer<typeof proofFormat>) =>
  certificateThumbprint(certificate),
);

/** Checks the members of a proof that a client passes on. @throws BadRequest naming the place */
function toPresentedProof(
  proof: z.infer<typeof proofFormat> | undefined,
  { client }: Extract<Caller, { kind: 'client' }>,
): PresentedProof {
  if (proof === undefined) return {};
  const { jwt, method, url, certificate } = proof;
  const parts = [jwt, method, url].filter((part) => part !== undefined);
  if (parts.length !== 0 && parts.length !== 3)
    throw new BadRequest('needs "jwt", "method" and "url" together', 'context.proof');
  if (certificate !== undefined && !client.may.has('asserts_certificate'))
    throw new BadRequest('is for clients with "asserts_certificate"', 'context.proof.certificate');
  const thumbprint = certificate === undefined ? undefined : readThumbprint(proof);
  if (certificate !== undefined && thumbprint === undefined)
    throw new BadRequest('is not a certificate, as PEM or DER in base64', 'context.proof.certificate');
  return {
    ...(jwt === undefined || method === undefined || url === undefined ? {} : { dpop: { jwt, method, url } }),
    certificate: thumbprint,
  };
}
