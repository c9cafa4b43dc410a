/** Requests of the AuthZEN Authorization API 1.0: their zod formats, and the questions that the routes build from them. */
import { z } from 'zod';
import { CONSISTENCY_PLACE, type RelationshipGraph } from '../graph/port.js';
import {
  omitNulls,
  type Caller,
  type CallerAccount,
  type Properties,
  type Question,
  type REMIT_CONTEXT_MEMBERS,
} from '../model/question.js';
import { BadRequest } from '../model/faults.js';
import { findIdProblem, MAX_ENCODED_ID_BYTES } from '../model/ids.js';
import { MAX_TOKEN_BYTES } from '../tokens/jws.js';
import { certificateThumbprint } from '../tokens/proof-of-possession.js';
import type { PresentedProof } from '../model/credential.js';
import { isObject } from '../policy/schema/types.js';
import { memoizeByObject } from '../runtime/memoize.js';
import { toBadRequest } from './edge/errors.js';
import type { RequestTokens } from './edge/request-tokens.js';

export const MAX_ITEMS = 1000;

/** An identifier. Anything printable is allowed, since it is encoded for SpiceDB. */
export const idFormat = z
  .string()
  .superRefine((value, ctx) => {
    const problem = findIdProblem(value);
    if (problem !== undefined) ctx.addIssue({ code: 'custom', message: problem });
  })
  .meta({
    minLength: 1,
    maxLength: MAX_ENCODED_ID_BYTES,
    description: 'NFC, no control characters, at most 1,024 bytes when encoded',
  });

/** The name of a type or an action. The schemas say which exist; a question with an unknown one is denied. */
export const nameFormat = z
  .string()
  .min(1)
  .max(128)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters');
const propertiesFormat = z.record(z.string(), z.unknown());

export const subjectFormat = z.object({ type: nameFormat, id: idFormat, properties: propertiesFormat.optional() });
export const resourceFormat = z.object({ type: nameFormat, id: idFormat, properties: propertiesFormat.optional() });
export const actionFormat = z.object({ name: nameFormat, properties: propertiesFormat.optional() });

const consistencyFormat = z.strictObject({ at_least: z.string().min(1).max(1024) });

/** The proof of possession that the token came with, as the client saw it. */
const proofFormat = z.strictObject({
  jwt: z.string().min(1).max(MAX_TOKEN_BYTES).optional().describe('The DPoP proof that came with the token'),
  method: z.string().min(1).max(32).optional().describe('The method of the request that it came with'),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .optional()
    .describe('The URL of that request, as its sender saw it'),
  certificate: z
    .string()
    .min(1)
    .max(16 * 1024)
    .optional()
    .describe(
      'The client certificate of the connection, as PEM or DER in base64: for clients with asserts_certificate',
    ),
});

const contextMembers = {
  token: z.string().min(1).max(MAX_TOKEN_BYTES).optional().describe("The agent's delegation token"),
  proof: proofFormat.optional().describe('For a token that is bound to a key or a certificate'),
  agent: idFormat.optional().describe('Who the client takes the agent to be; must agree with the token'),
  mode: z
    .literal('human')
    .optional()
    .describe('A user without an agent, vouched for by a client flagged asserts_subject'),
  consistency: consistencyFormat.optional().describe('Absent: fully consistent'),
  dry_run: z.boolean().optional().describe('Decided and recorded as such; nothing is spent'),
  supported_obligations: z
    .array(z.string().max(128))
    .max(64)
    .optional()
    .describe('Absent: the client looks at all it gets'),
} satisfies Record<(typeof REMIT_CONTEXT_MEMBERS)[number], z.ZodType>;
export const contextFormat = z.looseObject(contextMembers);

export const evaluationFormat = z
  .object({ subject: subjectFormat, action: actionFormat, resource: resourceFormat, context: contextFormat.optional() })
  .meta({ id: 'EvaluationRequest' });
export type EvaluationRequest = z.infer<typeof evaluationFormat>;

/** An object of a batch, whose content is read item by item: an invalid item is denied alone. */
const defaultsFormat = z.record(z.string(), z.unknown());
const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type BatchSemantic = (typeof SEMANTICS)[number];
export const evaluationsFormat = z
  .object({
    subject: defaultsFormat.optional(),
    action: defaultsFormat.optional(),
    resource: defaultsFormat.optional(),
    context: defaultsFormat.optional(),
    evaluations: z
      .array(z.unknown())
      .max(MAX_ITEMS)
      .optional()
      .describe('Items; each member overrides the default of that name as a whole'),
    options: z.object({ evaluations_semantic: z.enum(SEMANTICS).default('execute_all') }).optional(),
  })
  .meta({ id: 'EvaluationsRequest' });

export interface RequestContext {
  readonly caller: Caller;
  readonly account: CallerAccount;
  readonly requestId: string | undefined;
  readonly tokenRequired: boolean;
  /** The answer names the relationships that grant. */
  readonly explain: boolean;
  /** The whole body is shorter than one part may be, so no part needs to be measured. */
  readonly isSmallBody: boolean;
  readonly relationships: RelationshipGraph;
  readonly tokens: RequestTokens;
}

/** The parts of a question as they stand in a body, unvalidated. */
export type QuestionParts = Readonly<Partial<Record<(typeof QUESTION_PARTS)[number], unknown>>>;

/**
 * Validates and builds a question. Parts that questions share, as the defaults of a batch are, are validated once.
 * @throws BadRequest naming the place
 */
export function parseQuestion(parts: QuestionParts, requestContext: RequestContext): Question {
  if (!requestContext.isSmallBody) checkPartLengths(parts);
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
const parseContext = createPartParser(contextFormat.optional());

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
  const { subject: s, action: a, resource: r, context: c = {} } = request;
  const atLeast = c.consistency?.at_least;
  const problem = atLeast === undefined ? undefined : requestContext.relationships.tokenProblem(atLeast);
  if (problem !== undefined) throw new BadRequest(problem, CONSISTENCY_PLACE);
  return {
    caller: requestContext.caller,
    account: requestContext.account,
    subject: { type: s.type, id: s.id, properties: omitSharedNulls(s.properties ?? {}) },
    action: { name: a.name, properties: omitSharedNulls(a.properties ?? {}) },
    resource: { type: r.type, id: r.id, properties: omitSharedNulls(r.properties ?? {}) },
    context: pickClientMembers(c),
    ...chooseToken(c, requestContext),
    statedAgent: c.agent,
    statedMode: c.mode,
    assertedAgent: parseAssertedAgent(s.properties?.['act'] ?? undefined),
    supportedObligations: c.supported_obligations,
    // The latest is at least as fresh as any token: an agent can't choose to be judged by what was.
    consistency: atLeast === undefined || requestContext.caller.kind === 'agent' ? 'full' : { atLeast },
    dryRun: c.dry_run ?? false,
    explain: requestContext.explain,
    requestId: requestContext.requestId,
    tokenRequired: requestContext.tokenRequired,
  };
}

const omitSharedNulls = memoizeByObject(omitNulls);

/** The members of a context that are the client's own. */
const pickClientMembers = memoizeByObject((context: Properties) =>
  omitNulls(Object.fromEntries(Object.entries(context).filter(([key]) => !Object.hasOwn(contextMembers, key)))),
);

/** Chooses the token of a question: an agent's own, whatever its body says, or the one that a client passes on. @throws BadRequest */
function chooseToken(
  { token, proof }: z.infer<typeof contextFormat>,
  { caller, tokens }: RequestContext,
): Pick<Question, 'token' | 'proof' | 'usedProofs'> {
  const { usedProofs } = tokens;
  if (caller.kind === 'agent') return { token: caller.presented.reading, proof: caller.presented.proof, usedProofs };
  return {
    token: token === undefined ? undefined : tokens.read(token),
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

/** The longest part of a question, in characters of JSON: enough for attributes, too little to keep Cedar busy for long. */
export const MAX_PART_LENGTH = 32 * 1024;

export const QUESTION_PARTS = ['subject', 'action', 'resource', 'context'] as const;

/**
 * Checks the length of each part of a question. A default of a batch is measured once and not once an item.
 * @throws BadRequest naming the part
 */
export function checkPartLengths(body: QuestionParts): void {
  for (const name of QUESTION_PARTS) {
    const part = body[name];
    if (isObject(part) && jsonLength(part) > MAX_PART_LENGTH)
      throw new BadRequest(`must be at most ${MAX_PART_LENGTH} characters long as JSON`, name);
  }
}

const jsonLength = memoizeByObject((part: object) => JSON.stringify(part).length);

const actFormat = z.strictObject({ sub: idFormat });

function parseAssertedAgent(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const parsed = actFormat.safeParse(value);
  if (!parsed.success) {
    const { message, at } = toBadRequest(parsed.error);
    throw new BadRequest(message, at === '' ? 'subject.properties.act' : `subject.properties.act.${at}`);
  }
  return parsed.data.sub;
}
