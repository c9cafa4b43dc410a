/** The formats of requests of the AuthZEN Authorization API 1.0: what is validated, and what the OpenAPI document says. */
import { z } from 'zod';
import { findIdProblem, MAX_ENCODED_ID_BYTES } from '../model/ids.js';
import { VOUCHED_MODES, type REMIT_CONTEXT_MEMBERS } from '../model/question.js';
import { MAX_TOKEN_BYTES } from '../tokens/jws.js';
import { MAX_CONFIGURED_TOKEN_BYTES } from '../tokens/reading-rules.js';

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

export const subjectFormat = z.object({ type: nameFormat, id: idFormat, properties: propertiesFormat.nullish() });
export const resourceFormat = z.object({ type: nameFormat, id: idFormat, properties: propertiesFormat.nullish() });
export const actionFormat = z.object({ name: nameFormat, properties: propertiesFormat.nullish() });

const consistencyFormat = z.strictObject({ at_least: z.string().min(1).max(1024).nullish() });

/** The proof of possession that the token came with, as the client saw it. */
export const proofFormat = z.strictObject({
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

const presentedApprovalFormat = z
  .strictObject({
    id: z.string().min(1).max(128).nullish(),
    approved_at: z.string().min(1).max(64).nullish(),
    approved_until: z.string().min(1).max(64).nullish(),
    state: z.string().min(1).max(MAX_TOKEN_BYTES).nullish(),
  })
  .refine(
    ({ id, ...others }) =>
      typeof id === 'string' || Object.values(others).every((member) => member === null || member === undefined),
    {
      message: 'is required with the other members',
      path: ['id'],
    },
  )
  .describe('The approval that an access request got for this question, as it was answered');

/** A member that is null is as if it weren't said, but for credentials: what was to be proven is never left out unnoticed. */
const contextMembers = {
  token: z.string().min(1).max(MAX_CONFIGURED_TOKEN_BYTES).optional().describe("The agent's delegation token"),
  proof: proofFormat.optional().describe('For a token that is bound to a key or a certificate'),
  agent: idFormat.nullish().describe('Who the client takes the agent to be; must agree with the token'),
  mode: z
    .enum(VOUCHED_MODES)
    .nullish()
    .describe('A user without an agent, or an agent for itself, vouched for by a client flagged asserts_subject'),
  consistency: consistencyFormat.nullish().describe('Absent: fully consistent'),
  dry_run: z.boolean().nullish().describe('Decided and recorded as such; nothing is spent'),
  supported_obligations: z
    .array(z.string().max(128))
    .max(64)
    .nullish()
    .describe('What the client can carry out; absent: what its configuration says, by default nothing'),
  approval: presentedApprovalFormat.nullish(),
} satisfies Record<(typeof REMIT_CONTEXT_MEMBERS)[number], z.ZodType>;
export const contextFormat = z.looseObject(contextMembers);

/**
 * A question for the document's examples: by a client that vouches for the agent. With its token
 * instead, `context.token` has it, and there is no `act`.
 */
export const EXAMPLE_QUESTION = {
  subject: { type: 'user', id: 'ann', properties: { act: { sub: 'helper' } } },
  action: { name: 'read' },
  context: { supported_obligations: ['mask'] },
};

export const evaluationFormat = z
  .object({ subject: subjectFormat, action: actionFormat, resource: resourceFormat, context: contextFormat.nullish() })
  .meta({ id: 'EvaluationRequest', example: { ...EXAMPLE_QUESTION, resource: { type: 'document', id: 'plan' } } });
export type EvaluationRequest = z.infer<typeof evaluationFormat>;

/** The JSON Schema of a format, where what is sent is read later than the rest, and by itself. */
export function describeLater(format: z.ZodType): Record<string, unknown> {
  const { $schema: _version, ...schema } = z.toJSONSchema(format, { unrepresentable: 'any', io: 'input' });
  return schema;
}

/** Describes an object of a batch, whose content is read item by item: an invalid item is denied alone. */
const describeDefault = (format: z.ZodType) => z.record(z.string(), z.unknown()).meta(describeLater(format));
const batchMembers = {
  subject: subjectFormat.nullish(),
  action: actionFormat.nullish(),
  resource: resourceFormat.nullish(),
  context: contextFormat.nullish(),
};
const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type BatchSemantic = (typeof SEMANTICS)[number];
export const evaluationsFormat = z
  .object({
    subject: describeDefault(subjectFormat).nullish(),
    action: describeDefault(actionFormat).nullish(),
    resource: describeDefault(resourceFormat).nullish(),
    context: describeDefault(contextFormat).nullish(),
    evaluations: z
      .array(z.unknown())
      .max(MAX_ITEMS)
      .meta({ items: describeLater(z.object(batchMembers)) })
      .nullish()
      .describe('Items; each member overrides the default of that name as a whole'),
    options: z.object({ evaluations_semantic: z.enum(SEMANTICS).nullish() }).nullish(),
  })
  .meta({
    id: 'EvaluationsRequest',
    example: {
      ...EXAMPLE_QUESTION,
      evaluations: [{ resource: { type: 'document', id: 'plan' } }, { resource: { type: 'document', id: 'notes' } }],
      options: { evaluations_semantic: 'execute_all' },
    },
  });
