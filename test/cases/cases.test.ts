/**
 * Decisions as data: every case of the YAML files beside this one is asked alone and in a batch, and read back from
 * its record; the three must agree and be what the case says, the reasons in full.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { redecide } from '../../src/records/redecide.js';
import { REASONS } from '../../src/model/reasons.js';
import { codes, start, step, type Answer, type Running } from '../support/sample.js';
import { all, arrange, requestOf, split, type Case } from './cases.js';

let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

describe.each(all)('%s', (_file, list) => {
  it.each(list.map((c) => [c.case, c] as const))('%s', async (_name, c) => {
    remit.at(new Date(c.at));
    const body = await requestOf(remit, c);
    const undo = await arrange(remit, c);
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
    // Proofs, transactions and revocations (test/http/edge/authentication.dpop.test.ts, test/http/routes/revocations.test.ts).
    'proof_invalid', 'proof_replayed', 'transaction_mismatch', 'token_revoked', 'session_ended',
    // Other worlds and clients (test/http/app.worlds.test.ts, test/http/clients.test.ts).
    'attributes_unproven', 'subject_assertion_forbidden', 'resource_type_forbidden', 'agent_relationship_missing', 'context_missing',
    'graph_unanswerable', 'policy_error', 'policy_no_permit',
    // A world whose actions ask for consent (test/decide/consents.test.ts).
    'consent_required', 'consent_ended', 'consent_suspended', 'consent_access_mismatch',
    // What has been used before (test/govern/limits), which a case doesn't have.
    'limit_exceeded', 'key_used',
    // Approvals, which a case doesn't have (test/decide/approvals.test.ts, test/decide/elevations.test.ts).
    'approval_unverifiable', 'approval_out_of_scope', 'approval_expired', 'approval_used', 'approval_revoked',
    'approver_ineligible', 'grant_pending',
  ]); // prettier-ignore
  expect(Object.keys(REASONS).filter((code) => !reached.has(code) && !elsewhere.has(code))).toEqual([]);
});

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
  const record = (await remit.request('GET', `/v1/decisions/${id}?values=true`)).json<Record<string, unknown>>();
  expect(record).toMatchObject({
    id,
    client: 'dev',
    decision: answer.decision,
    evaluated_at: new Date(c.at).toISOString(),
    request: { subject: split(c.subject), action: c.action, resource: split(c.resource) },
    reasons: answer.context?.reasons,
    obligations: answer.context?.obligations,
    rationale: answer.context?.rationale,
    policy_version: remit.service.activePolicies.rules.version,
  });
  expect(JSON.stringify(record)).not.toContain('eyJ'); // No token is ever on record.
  // Of what it rests on it is made again, the same to the letter.
  const { facts } = record;
  expect(facts).toBeDefined();
  const again = redecide({ ...record, facts } as Parameters<typeof redecide>[0], remit.service.activePolicies.rules);
  expect(again.missing).toEqual([]);
  const { valid_until, reasons, obligations, reason_user, reason_admin } = answer.context ?? {};
  // Where a delegation can be given is the deployment's to say: it isn't part of what was decided.
  const remedies = answer.context?.remedies.filter(({ type }) => type !== 'delegation');
  expect(again.decision).toMatchObject({ decision: answer.decision, valid_until, reasons, remedies, obligations });
  // Reviews are on record, and no client is told of them.
  expect(again.decision.rationale).toEqual(record['rationale']);
  expect(JSON.stringify(answer)).not.toContain('agent-exports-are-reviewed');
  expect([[again.decision.reason_user], [again.decision.reason_admin]]).toEqual(
    [reason_user, reason_admin].map((said) => Object.values(said ?? {})),
  );
}
