/**
 * Parses a decision record from outside, for replay and explain: a file may contain anything, and what decides again
 * trusts its facts.
 */
import { z } from 'zod';
import { parseCheckKey } from '../graph/relationship-text.js';
import type { DecisionRecord } from '../model/decision.js';
import { ConfigError } from '../model/faults.js';
import { formatJsonPath, MAX_RECORD_DEPTH, rephraseIssue } from '../runtime/strict-json.js';
import { CLIENT_PERMISSIONS, VOUCHED_MODES } from '../model/question.js';
import { REASONS, type ReasonCode } from '../model/reasons.js';
import { authorizationDetailSchema } from './detail-schema.js';
import { accessRequestSchema, approvalReadingSchema, refusalSchema } from './approval-schemas.js';
import { grantLimitsFormat } from '../policy/schema/limits-format.js';
import { keysSchema, textsSchema, propertiesSchema, refSchema, instantSchema, faultSchema } from './record-schemas.js';

const reasonSchema = z.looseObject({
  code: keysSchema<ReasonCode>(REASONS),
  step: z.string(),
  message: z.string(),
  policies: textsSchema.optional(),
});

const tokenSchema = z.looseObject({
  format: z.string(),
  issuer: z.string(),
  user: z.string().optional(),
  actors: z.array(z.looseObject({ id: z.string() })).min(1),
  mode: z.enum(['delegated', 'direct']),
  scopes: textsSchema,
  authorizationDetails: z.array(authorizationDetailSchema).optional(),
  access: z.enum(['online', 'background']),
  purpose: z.string().optional(),
  session: z.string().optional(),
  txn: z.string().optional(),
  transaction: propertiesSchema.optional(),
  claims: propertiesSchema.optional(),
  proof: z.looseObject({ jkt: z.string().optional(), x5t: z.string().optional() }).optional(),
  // The range of JavaScript's dates.
  expiresAt: z.number().min(0).max(8.64e12),
  jti: z.string().optional(),
  clientId: z.string().optional(),
  chainComplete: z.boolean(),
});
const credentialSchema = z.union([
  z.looseObject({
    ok: z.literal(true),
    token: tokenSchema,
    accepted: z.looseObject({ audience: z.string(), detailTypes: textsSchema }),
    sessionEnded: z.boolean(),
  }),
  z.looseObject({ ok: z.literal(false), reason: reasonSchema }),
  z.looseObject({ fault: faultSchema }),
]);
const answerSchema = z.discriminatedUnion('result', [
  z.looseObject({
    result: z.literal('yes'),
    revision: z.string(),
    path: textsSchema.optional(),
    until: instantSchema.optional(),
  }),
  z.looseObject({ result: z.literal('no'), revision: z.string(), mayBeLate: z.literal(true).optional() }),
  z.looseObject({ result: z.literal('conditional'), revision: z.string(), missing: textsSchema }),
  z.looseObject({ result: z.literal('unanswerable'), message: z.string() }),
  z.looseObject({ result: z.literal('unknown'), fault: faultSchema }),
]);
const delegationPathSchema = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('path'),
    path: z.array(z.string().refine((text) => parseCheckKey(text) !== undefined, 'must be a relationship')),
    through: z.array(refSchema),
    ended: z.looseObject({ what: z.string(), id: z.string(), selector: z.string() }).optional(),
    ends: z.array(instantSchema),
  }),
  z.looseObject({ kind: z.enum(['none', 'too_many']) }),
  z.looseObject({ kind: z.literal('fault'), fault: faultSchema }),
]);
const delegationStateSchema = z.discriminatedUnion('state', [
  z.looseObject({
    state: z.literal('given'),
    ends: instantSchema.optional(),
    online: z.boolean(),
    background: z.boolean(),
    details: z.array(authorizationDetailSchema).optional(),
    limits: grantLimitsFormat.optional(),
    counter: z.string().optional(),
  }),
  z.looseObject({ state: z.enum(['ended', 'barred']) }),
]);
const decimalNumberSchema = z
  .string()
  .max(64)
  .regex(/^\d+(\.\d+)?$/);
const limitsSchema = z.union([
  z.looseObject({ fault: faultSchema }),
  z.looseObject({
    readings: z.record(
      z.string(),
      z.looseObject({
        used: decimalNumberSchema,
        oldest: z.int().min(0).max(8.64e15).optional(),
        held: decimalNumberSchema.optional(),
      }),
    ),
    others: z.literal('unused').optional(),
    retry: z
      .discriminatedUnion('kind', [
        z.looseObject({ kind: z.literal('new'), released: z.string().optional() }),
        z.looseObject({ kind: z.literal('executed') }),
        z.looseObject({ kind: z.literal('held'), decision: z.string(), at: z.int() }),
      ])
      .optional(),
  }),
]);
const historySchema = z.union([
  z.looseObject({ fault: faultSchema }),
  z.looseObject({
    answers: z.record(z.string(), z.union([z.int().min(0), z.boolean()])),
    others: z.literal('nothing').optional(),
  }),
]);
const consentSchema = z.looseObject({
  id: z.string(),
  details: z.array(authorizationDetailSchema),
  access: z.enum(['online', 'background']),
  confirm: z.enum(['never', 'each']),
  when: propertiesSchema.optional(),
  limits: grantLimitsFormat.optional(),
  starts: instantSchema,
  ends: instantSchema.optional(),
  purpose: z.string().optional(),
  task: z.string().optional(),
  basis: z.union([z.record(z.string(), z.string()), z.literal('unchecked')]),
  given: instantSchema,
  withdrawn: instantSchema.optional(),
});
const factsSchema = z.looseObject({
  caller: z.looseObject({
    kind: z.enum(['client', 'agent']),
    may: z.array(z.enum(CLIENT_PERMISSIONS)).optional(),
    resources: textsSchema.optional(),
    default_mode: z.enum(VOUCHED_MODES).optional(),
  }),
  said: z.looseObject({
    subject: propertiesSchema.optional(),
    action: propertiesSchema.optional(),
    resource: propertiesSchema.optional(),
    context: propertiesSchema.optional(),
    agent: z.string().optional(),
    mode: z.enum(VOUCHED_MODES).optional(),
    act: z.string().optional(),
    chain: textsSchema.optional(),
    supported_obligations: textsSchema.optional(),
    token_expected: z.literal(true).optional(),
  }),
  credential: credentialSchema.optional(),
  checks: z.record(z.string(), answerSchema),
  entities: z
    .record(
      z.string(),
      z
        .looseObject({
          attributes: propertiesSchema,
          ancestors: z.array(refSchema).optional(),
          omitted: textsSchema.optional(),
        })
        .nullable(),
    )
    .optional(),
  entities_fault: faultSchema.optional(),
  passed_on: delegationPathSchema.optional(),
  delegations: z.record(z.string(), delegationStateSchema).optional(),
  delegations_fault: faultSchema.optional(),
  limits: limitsSchema.optional(),
  history: historySchema.optional(),
  consents: z.array(consentSchema).optional(),
  consents_fault: faultSchema.optional(),
  approval: approvalReadingSchema.optional(),
  approval_ms: z.int().min(1).optional(),
  refusal: refusalSchema.optional(),
});
const decisionRecordSchema = z.looseObject({
  id: z.string(),
  evaluated_at: instantSchema,
  client: z.string(),
  decision: z.boolean(),
  dry_run: z.boolean(),
  policy_version: z.string(),
  request: z.looseObject({
    subject: refSchema,
    action: z.string(),
    resource: refSchema,
    request_id: z.string().optional(),
  }),
  reasons: z.array(reasonSchema),
  obligations: z.array(z.looseObject({ id: z.string(), type: z.string(), properties: propertiesSchema })),
  reservation: z.looseObject({ decision: z.string(), settles_at: instantSchema.optional() }).optional(),
  access_request: accessRequestSchema.optional(),
  approval: z.looseObject({ id: z.string(), approved_until: instantSchema }).optional(),
  rationale: z.looseObject({
    acting: z
      .looseObject({
        mode: z.enum(['delegated', 'direct', 'human']),
        user: z.string().optional(),
        agent: z.string().optional(),
        chain: textsSchema,
      })
      .optional(),
    steps: z.array(
      z.looseObject({ step: z.string(), outcome: z.enum(['pass', 'deny', 'unknown']), evidence: propertiesSchema }),
    ),
    ignored: z
      .looseObject({
        count: z.int().min(1),
        members: z.array(z.looseObject({ path: z.string(), cause: z.string(), suggestion: z.string().optional() })),
      })
      .optional(),
  }),
  facts: factsSchema.optional(),
});

/**
 * @param value as GET /v1/decisions/{id} gives it
 * @param source names the record's source in errors
 * @throws ConfigError naming the member that doesn't fit
 */
export function parseRecord(value: unknown, source: string): DecisionRecord {
  const problem = findForbiddenContent(value);
  if (problem !== undefined) throw new ConfigError(`is no decision record: ${problem}`, source);
  if (typeof value === 'object' && value !== null && 'values_hidden' in value)
    throw new ConfigError(
      'was read without its values: GET /v1/decisions shows them with values=true, to a client that may "read_values"',
      source,
    );
  if (typeof value === 'object' && value !== null && 'search' in value)
    throw new ConfigError('is the record of a list: its single questions are not on record', source);
  // It has commitments where a record has texts; what decides again looks for the mark first.
  if (typeof value === 'object' && value !== null && 'values_erased' in value) return value as DecisionRecord;
  const parsed = decisionRecordSchema.safeParse(value);
  if (parsed.success) return value as DecisionRecord;
  const [issue] = parsed.error.issues;
  const path = formatJsonPath(issue?.path ?? []);
  throw new ConfigError(
    `is no decision record: ${path === '' ? 'it' : path} ${issue === undefined ? 'does not fit' : rephraseIssue(issue)}`,
    source,
  );
}

/**
 * Finds content that no record has and that would harm its readers; undefined where there is none. It doesn't recurse,
 * since the value may be of any depth.
 */
function findForbiddenContent(value: unknown): string | undefined {
  const pending: [unknown, number][] = [[value, 0]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [node, depth] = next;
    if (depth > MAX_RECORD_DEPTH) return `it is nested more than ${MAX_RECORD_DEPTH} levels deep`;
    if (typeof node === 'string' && !node.isWellFormed()) return 'it has text that is not well-formed Unicode';
    if (typeof node !== 'object' || node === null) continue;
    for (const [name, member] of Object.entries(node)) {
      if (name === '__proto__' || !name.isWellFormed()) return 'it has a member of an unacceptable name';
      pending.push([member, depth + 1]);
    }
  }
  return undefined;
}
