/**
 * A decision record from outside, held to its shape before anything is made of it: a file may say anything, and what
 * decides again trusts what it is given.
 */
import { z } from 'zod';
import type { DecisionRecord } from '../model/decision.js';
import { ConfigError, FAULTS, type FaultCode } from '../model/faults.js';
import { issueText, pathText } from '../runtime/strict-json.js';
import { PERMISSIONS } from '../model/question.js';
import { REASONS, type ReasonCode } from '../model/reasons.js';

/** The deepest that a request's JSON goes (32), within the record and its facts. */
const MAX_DEPTH = 48;

const oneOf = <T extends string>(table: Readonly<Record<T, unknown>>) => z.enum(Object.keys(table) as [T, ...T[]]);
const texts = z.array(z.string());
const properties = z.record(z.string(), z.unknown());
const ref = z.looseObject({ type: z.string(), id: z.string() });
const instant = z.iso.datetime({ offset: true });
const fault = oneOf<FaultCode>(FAULTS);
const reason = z.looseObject({
  code: oneOf<ReasonCode>(REASONS),
  step: z.string(),
  message: z.string(),
  policies: texts.optional(),
});

const detail = z.looseObject({
  type: z.string(),
  actions: texts.optional(),
  locations: texts.optional(),
  datatypes: texts.optional(),
  privileges: texts.optional(),
  identifier: z.string().optional(),
  resources: texts.optional(),
  constraints: properties.optional(),
  purpose: z.string().optional(),
  access: z.enum(['online', 'background']).optional(),
});
const token = z.looseObject({
  format: z.string(),
  issuer: z.string(),
  user: z.string().optional(),
  actors: z.array(z.looseObject({ id: z.string() })).min(1),
  mode: z.enum(['delegated', 'direct']),
  scopes: texts,
  authorizationDetails: z.array(detail).optional(),
  access: z.enum(['online', 'background']),
  purpose: z.string().optional(),
  session: z.string().optional(),
  txn: z.string().optional(),
  transaction: properties.optional(),
  proof: z.looseObject({ jkt: z.string().optional(), x5t: z.string().optional() }).optional(),
  // What JavaScript's dates can say.
  expiresAt: z.number().min(0).max(8.64e12),
  jti: z.string().optional(),
  clientId: z.string().optional(),
  chainComplete: z.boolean(),
});
const credential = z.union([
  z.looseObject({
    ok: z.literal(true),
    token,
    accepted: z.looseObject({ audience: z.string(), detailTypes: texts }),
    sessionEnded: z.boolean(),
  }),
  z.looseObject({ ok: z.literal(false), reason }),
  z.looseObject({ fault }),
]);
const answer = z.discriminatedUnion('result', [
  z.looseObject({
    result: z.literal('yes'),
    revision: z.string(),
    path: texts.optional(),
    until: instant.optional(),
  }),
  z.looseObject({ result: z.literal('no'), revision: z.string() }),
  z.looseObject({ result: z.literal('conditional'), revision: z.string(), missing: texts }),
  z.looseObject({ result: z.literal('unanswerable'), message: z.string() }),
  z.looseObject({ result: z.literal('unknown'), fault }),
]);
const passedOn = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('path'),
    path: texts,
    through: z.array(ref),
    ended: z.looseObject({ what: z.string(), id: z.string(), selector: z.string() }).optional(),
    ends: texts,
  }),
  z.looseObject({ kind: z.enum(['none', 'too_many']) }),
  z.looseObject({ kind: z.literal('fault'), fault }),
]);
const facts = z.looseObject({
  caller: z.looseObject({
    kind: z.enum(['client', 'agent']),
    may: z.array(z.enum(PERMISSIONS)).optional(),
    resources: texts.optional(),
    default_mode: z.literal('human').optional(),
  }),
  said: z.looseObject({
    subject: properties.optional(),
    action: properties.optional(),
    resource: properties.optional(),
    context: properties.optional(),
    agent: z.string().optional(),
    mode: z.literal('human').optional(),
    act: z.string().optional(),
    supported_obligations: texts.optional(),
    token_expected: z.literal(true).optional(),
  }),
  credential: credential.optional(),
  checks: z.record(z.string(), answer),
  entities: z
    .record(z.string(), z.looseObject({ attributes: properties, ancestors: z.array(ref) }).nullable())
    .optional(),
  entities_fault: fault.optional(),
  passed_on: passedOn.optional(),
});
const record = z.looseObject({
  id: z.string(),
  evaluated_at: instant,
  client: z.string(),
  decision: z.boolean(),
  dry_run: z.boolean(),
  policy_version: z.string(),
  request: z.looseObject({ subject: ref, action: z.string(), resource: ref, request_id: z.string().optional() }),
  reasons: z.array(reason),
  obligations: z.array(z.looseObject({ id: z.string(), type: z.string(), properties })),
  rationale: z.looseObject({
    acting: z
      .looseObject({
        mode: z.enum(['delegated', 'direct', 'human']),
        user: z.string().optional(),
        agent: z.string().optional(),
        chain: texts,
      })
      .optional(),
    steps: z.array(
      z.looseObject({ step: z.string(), outcome: z.enum(['pass', 'deny', 'unknown']), evidence: properties }),
    ),
  }),
  facts: facts.optional(),
});

/**
 * @param value as GET /v1/decisions/{id} gives it
 * @param from names its source in errors
 * @throws ConfigError naming the member that doesn't fit
 */
export function readRecord(value: unknown, from: string): DecisionRecord {
  const odd = oddity(value);
  if (odd !== undefined) throw new ConfigError(`is no decision record: ${odd}`, from);
  if (typeof value === 'object' && value !== null && 'search' in value)
    throw new ConfigError('is the record of a list: what it asked of each one is not on record', from);
  const read = record.safeParse(value);
  if (read.success) return value as DecisionRecord;
  const [issue] = read.error.issues;
  const at = pathText(issue?.path ?? []);
  throw new ConfigError(
    `is no decision record: ${at === '' ? 'it' : at} ${issue === undefined ? 'does not fit' : issueText(issue)}`,
    from,
  );
}

/** What no record of ours has and what would harm whatever reads it; looked for without recursion, since it may be deep. */
function oddity(value: unknown): string | undefined {
  const open: [unknown, number][] = [[value, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, depth] = next;
    if (depth > MAX_DEPTH) return `it is nested more than ${MAX_DEPTH} levels deep`;
    if (typeof at === 'string' && !at.isWellFormed()) return 'it has text that is not well-formed Unicode';
    if (typeof at !== 'object' || at === null) continue;
    for (const [name, member] of Object.entries(at)) {
      if (name === '__proto__' || !name.isWellFormed()) return 'it has a member of an unacceptable name';
      open.push([member, depth + 1]);
    }
  }
  return undefined;
}
