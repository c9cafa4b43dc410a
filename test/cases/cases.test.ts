/**
 * Decisions as data: every case of the YAML files beside this one is asked alone and in a batch, and read back from
 * its record; the three must agree and be what the case says, the reasons in full.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decideAgain } from '../../src/decide.js';
import { REASONS } from '../../src/model/reasons.js';
import { parseRelationship, relationshipKey } from '../../src/model/relationships.js';
import { codes, start, step, type Answer, type Running } from '../sample.js';

const ref = z.strictObject({ type: z.string(), id: z.string() });
const cases = z.array(
  z.strictObject({
    case: z.string(),
    /** The clock. */
    at: z.iso.datetime().default('2030-03-04T10:00:00Z'),
    /** Changes to the sample's world, undone afterwards. */
    without: z.array(z.string()).default([]),
    with: z.array(z.string()).default([]),
    entities: z.array(ref.extend({ attributes: z.record(z.string(), z.unknown()).nullable() })).default([]),
    /** Minted by the development issuer; absent: none is sent. */
    token: z
      .strictObject({
        user: z.string().optional(),
        agent: z.string(),
        chain: z.array(z.string()).optional(),
        scope: z.string().optional(),
        details: z.array(z.record(z.string(), z.unknown())).optional(),
        audience: z.string().optional(),
        background: z.boolean().optional(),
        purpose: z.string().optional(),
        session: z.string().optional(),
        jkt: z.string().optional(),
        ttlSeconds: z.number().optional(),
        /** Minted at another time than that of the question. */
        mintedAt: z.iso.datetime().optional(),
        /** A byte of the signature is changed. */
        tampered: z.boolean().default(false),
      })
      .optional(),
    subject: z.string().default('user:alice'),
    subjectProperties: z.record(z.string(), z.unknown()).optional(),
    action: z.string(),
    actionProperties: z.record(z.string(), z.unknown()).optional(),
    resource: z.string(),
    properties: z.record(z.string(), z.unknown()).optional(),
    context: z.record(z.string(), z.unknown()).default({}),
    expect: z.strictObject({
      decision: z.boolean(),
      /** All codes, in the order of the steps. */
      reasons: z.array(z.enum(Object.keys(REASONS) as [string, ...string[]])).default([]),
      /** Policies that the reasons name. */
      policies: z.array(z.string()).optional(),
      permittedBy: z.array(z.string()).optional(),
      /** Part of the message of the first reason. */
      message: z.string().optional(),
      obligations: z
        .array(z.strictObject({ id: z.string(), type: z.string(), properties: z.record(z.string(), z.unknown()) }))
        .default([]),
      remedies: z.array(z.record(z.string(), z.string())).default([]),
      path: z.array(z.string()).optional(),
      /** Evidence of the delegation step: the relationship, or the path over other agents. */
      delegation: z.union([z.string(), z.array(z.string())]).optional(),
      acting: z.record(z.string(), z.unknown()).optional(),
      user: z.string().optional(),
      /** Each step that was judged; the rest of a decision that ended early are not there. */
      steps: z.record(z.string(), z.enum(['pass', 'deny', 'unknown'])).optional(),
    }),
  }),
);
type Case = z.infer<typeof cases>[number];

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const all = files.map((file) => [file, cases.parse(parse(readFileSync(new URL(file, folder), 'utf8')))] as const);

let remit: Running;
beforeAll(async () => {
  remit = await start();
});
afterAll(() => remit.stop());

describe.each(all)('%s', (_file, list) => {
  it.each(list.map((c) => [c.case, c] as const))('%s', async (_name, c) => {
    remit.at(new Date(c.at));
    const body = await request(c);
    const undo = await arrange(c);
    try {
      const single = await remit.evaluate(body);
      hold(single, c);
      const batch = await remit.post('/access/v1/evaluations', { evaluations: [body, body] });
      for (const item of batch.json<{ evaluations: Answer[] }>().evaluations)
        expect(comparable(item)).toEqual(comparable(single));
      await onRecord(single, c);
    } finally {
      await undo();
    }
  });
});

it('reaches every reason code that the sample can give', () => {
  const reached = new Set(all.flatMap(([, list]) => list.flatMap((c) => c.expect.reasons)));
  const elsewhere = new Set([
    // The token's own tests (test/tokens, test/attacks) give these, which a well-behaved issuer never mints.
    'token_malformed', 'token_type_invalid', 'token_issuer_unknown', 'token_algorithm_forbidden', 'token_key_unknown',
    'token_claims_invalid', 'token_actor_invalid', 'token_not_yet_valid', 'token_is_id_token', 'token_is_id_jag',
    'token_is_logout_token', 'token_is_security_event', 'token_is_dpop_proof', 'token_is_client_attestation',
    'token_is_transaction_token', 'token_key_unusable', 'token_chain_inverted', 'actor_forbidden',
    // Proofs, transactions and revocations (test/http/proofs.test.ts, test/http/revocations.test.ts).
    'proof_invalid', 'proof_replayed', 'transaction_mismatch', 'token_revoked', 'session_ended',
    // Other worlds and clients (test/http/worlds.test.ts, test/http/clients.test.ts).
    'subject_assertion_forbidden', 'resource_type_forbidden', 'agent_relationship_missing', 'context_missing',
    'graph_unanswerable', 'consent_required', 'policy_error', 'policy_no_permit',
  ]); // prettier-ignore
  expect(Object.keys(REASONS).filter((code) => !reached.has(code) && !elsewhere.has(code))).toEqual([]);
});

async function request(c: Case): Promise<object> {
  const { token: t } = c;
  const minted =
    t === undefined
      ? undefined
      : await remit.mint({ ...t, ...(t.mintedAt === undefined ? {} : { now: new Date(t.mintedAt) }) });
  const token = t?.tampered === true ? tampered(minted ?? '') : minted;
  return {
    subject: { ...split(c.subject), ...(c.subjectProperties === undefined ? {} : { properties: c.subjectProperties }) },
    action: { name: c.action, ...(c.actionProperties === undefined ? {} : { properties: c.actionProperties }) },
    resource: { ...split(c.resource), ...(c.properties === undefined ? {} : { properties: c.properties }) },
    context: { ...c.context, ...(token === undefined ? {} : { token }) },
  };
}

function tampered(token: string): string {
  const at = token.lastIndexOf('.') + 10;
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
}

function split(text: string): { type: string; id: string } {
  const cut = text.indexOf(':');
  return { type: text.slice(0, cut), id: text.slice(cut + 1) };
}

/** Applies the case's changes of the world; the answer undoes them. */
async function arrange(c: Case): Promise<() => Promise<void>> {
  if (c.without.length > 0) await remit.remove(...c.without);
  if (c.with.length > 0) await remit.touch(...c.with);
  const before: [string, unknown][] = [];
  for (const { type, id, attributes } of c.entities) {
    const url = `/v1/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
    before.push([url, (await remit.request('GET', url)).json()]);
    if (attributes === null) await remit.request('DELETE', url);
    else expect((await remit.request('PUT', url, { attributes })).statusCode).toBe(200);
  }
  return async () => {
    if (c.with.length > 0) await remit.remove(...c.with.map((r) => relationshipKey(parseRelationship(r))));
    if (c.without.length > 0) await remit.touch(...c.without);
    for (const [url, entity] of before) {
      const { attributes, parents } = entity as { attributes?: object; parents?: object };
      if (attributes === undefined) await remit.request('DELETE', url);
      else await remit.request('PUT', url, { attributes, parents });
    }
  };
}

function hold(answer: Answer, { expect: wanted }: Case): void {
  expect(codes(answer)).toEqual(wanted.reasons);
  expect(answer.decision).toBe(wanted.decision);
  const { context } = answer;
  expect(context?.obligations).toEqual(wanted.obligations);
  expect(context?.remedies).toEqual(wanted.remedies);
  if (wanted.message !== undefined) expect(context?.reasons[0]?.message).toContain(wanted.message);
  if (wanted.policies !== undefined) expect(context?.reasons.flatMap((r) => r.policies ?? [])).toEqual(wanted.policies);
  if (wanted.path !== undefined) expect(step(answer, 'relationship')?.evidence['path']).toEqual(wanted.path);
  if (wanted.delegation !== undefined) {
    const evidence = step(answer, 'delegation')?.evidence;
    expect(evidence?.['path'] ?? evidence?.['delegation']).toEqual(wanted.delegation);
  }
  if (wanted.acting !== undefined) expect(context?.rationale.acting).toEqual(wanted.acting);
  if (wanted.user !== undefined) expect(Object.values(context?.reason_user ?? {})).toEqual([wanted.user]);
  if (wanted.permittedBy !== undefined) {
    const cited = step(answer, 'policy')?.evidence['permitted_by'] as { id: string; source: string }[];
    expect(cited.map((p) => p.id)).toEqual(wanted.permittedBy);
    for (const p of cited) expect(p.source).toMatch(/^policies\/\w+\.cedar:\d+$/);
  }
  if (wanted.steps !== undefined) {
    expect(Object.fromEntries((context?.rationale.steps ?? []).map((s) => [s.step, s.outcome]))).toEqual(wanted.steps);
  }
}

/** What doesn't change from one asking to the next. */
function comparable({ decision, context }: Answer): unknown {
  const { reasons, remedies, obligations, reason_user, reason_admin } = context ?? {};
  const steps = context?.rationale.steps.map(({ step: name, outcome }) => [name, outcome]);
  return { decision, reasons, remedies, obligations, reason_user, reason_admin, steps };
}

async function onRecord(answer: Answer, c: Case): Promise<void> {
  const id = answer.context?.id ?? '';
  const record = (await remit.request('GET', `/v1/decisions/${id}`)).json<Record<string, unknown>>();
  expect(record).toMatchObject({
    id,
    client: 'dev',
    decision: answer.decision,
    evaluated_at: new Date(c.at).toISOString(),
    request: { subject: split(c.subject), action: c.action, resource: split(c.resource) },
    reasons: answer.context?.reasons,
    obligations: answer.context?.obligations,
    rationale: answer.context?.rationale,
    policy_version: remit.service.rules().version,
  });
  expect(JSON.stringify(record)).not.toContain('eyJ'); // No token is ever on record.
  // Of what it rests on it is made again, the same to the letter.
  const { facts } = record;
  expect(facts).toBeDefined();
  const again = decideAgain({ ...record, facts } as Parameters<typeof decideAgain>[0], remit.service.rules());
  expect(again.missing).toEqual([]);
  const { valid_until, reasons, remedies, obligations, rationale, reason_user, reason_admin } = answer.context ?? {};
  expect(again.decision).toMatchObject({ decision: answer.decision, valid_until, reasons, remedies, obligations });
  expect(again.decision.rationale).toEqual(rationale);
  expect([[again.decision.reason_user], [again.decision.reason_admin]]).toEqual(
    [reason_user, reason_admin].map((said) => Object.values(said ?? {})),
  );
}
