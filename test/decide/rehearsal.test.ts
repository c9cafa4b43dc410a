/** Dry runs of a batch: they say what the batch then really says, and use nothing. */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { ask as toQuestion, euro, startCompany } from '../govern/limits/company.js';
import { startApprovalWorld } from '../support/approval-world.js';
import { approve, ask, presenting, type AskedQuestion } from '../support/approve.js';
import { codes, DAYTIME, type Answer, type Running } from '../support/sample.js';
import { assertUntilSeen } from '../support/until-seen.js';

let company: Running;
let approvals: Running;
beforeAll(async () => {
  [company, approvals] = await Promise.all([startCompany(), startApprovalWorld()]);
  return () => Promise.all([company.stop(), approvals.stop()]);
});

interface BatchOptions {
  readonly dryRun: boolean;
  readonly semantic?: string;
  readonly credential?: string;
  readonly key?: string | undefined;
}
/** Asks all at once, as dry runs or really. */
async function askAll(
  remit: Running,
  items: readonly object[],
  { dryRun, semantic = 'execute_all', credential = 'shop-key', key }: BatchOptions,
): Promise<Answer[]> {
  const evaluations = items.map((item) => {
    const { context = {} } = item as { readonly context?: object };
    return { ...item, context: { ...context, dry_run: dryRun } };
  });
  const headers = { authorization: `Bearer ${credential}`, ...(key === undefined ? {} : { 'idempotency-key': key }) };
  const body = { evaluations, options: { evaluations_semantic: semantic } };
  const response = await remit.post('/access/v1/evaluations', body, headers);
  expect(response.statusCode, response.body).toBe(200);
  return response.json<{ evaluations: Answer[] }>().evaluations;
}
const tell = (answers: readonly Answer[]): unknown[] =>
  answers.map((answer) => [
    answer.decision,
    codes(answer),
    (answer.context?.reasons ?? []).map(({ remaining, resets_at: resets }) => [remaining, resets]),
  ]);

let day = 0;
it('of which each finds what those before it have left, say what the batch then says, one by one', async () => {
  const seen = new Set<string>();
  const item = fc.record({
    action: fc.constantFrom('pay', 'pay', 'copy', 'close', 'look'),
    user: fc.constantFrom('ann', 'ben'),
    agent: fc.constantFrom('bot', 'helper'),
    amount: fc.constantFrom(1_250, 20_000, 30_000).map(euro),
  });
  // Policies read the budget of one action, and it takes several of one user to come to their bound.
  const copy = item.map((each) => ({ ...each, action: 'copy', user: 'ann' }));
  const before = fc.array(item, { maxLength: 3 });
  const batch = fc.oneof(
    fc.array(item, { minLength: 2, maxLength: 8 }),
    fc.array(copy, { minLength: 2, maxLength: 5 }),
  );
  const key = fc.constantFrom(undefined, 'k');
  const property = fc.asyncProperty(before, batch, key, async (earlier, asked, given) => {
    company.at(new Date(DAYTIME.getTime() + (day += 40) * 24 * 3_600_000));
    const toItems = (items: typeof asked): object[] => items.map(({ action, ...more }) => toQuestion(action, more));
    // Items are decided one after the other until one is denied.
    const options = { semantic: 'deny_on_first_deny', key: given && `${given}-${day}` };
    if (earlier.length > 0) await askAll(company, toItems(earlier), { ...options, dryRun: false });
    const dry = await askAll(company, toItems(asked), { ...options, dryRun: true });
    expect(tell(await askAll(company, toItems(asked), { ...options, dryRun: true }))).toEqual(tell(dry));
    expect(tell(await askAll(company, toItems(asked), { ...options, dryRun: false }))).toEqual(tell(dry));
    dry.flatMap(codes).forEach((code) => seen.add(code));
    if (dry.length === asked.length && dry.at(-1)?.decision) seen.add('all');
  });
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 30 }),
    () => ['limit_exceeded', 'policy_forbid', 'all'].filter((kind) => !seen.has(kind)),
  );
}, 120_000);

it('allow as many as there is room for, where all are decided at once', async () => {
  company.at(new Date(DAYTIME.getTime() + (day += 40) * 24 * 3_600_000));
  const items = Array.from({ length: 5 }, () => toQuestion('pay', { amount: euro(100) }));
  for (const dryRun of [true, true, false]) {
    const answers = await askAll(company, items, { dryRun });
    expect(answers.filter(({ decision }) => decision)).toHaveLength(3);
    for (const denied of answers.filter(({ decision }) => !decision)) expect(codes(denied)).toEqual(['limit_exceeded']);
  }
});

it('use an approval for one use once, and leave it as it is', async () => {
  approvals.at(DAYTIME);
  const token = await approvals.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write' });
  const question: AskedQuestion = {
    subject: { type: 'user', id: 'ann' },
    action: { name: 'merge', properties: { branch: 'main' } },
    resource: { type: 'repository', id: 'api' },
    context: { token },
  };
  for (const scope of ['once', 'until']) {
    const denied = await ask(approvals, question);
    const until = scope === 'until' ? { until: new Date(DAYTIME.getTime() + 1_800_000).toISOString() } : {};
    const approval = await approve(approvals, question, denied, ['olga'], { decision: { scope, ...until } });
    const items = Array.from({ length: 3 }, () => presenting(question, approval));
    for (const dryRun of [true, true, false]) {
      const answers = await askAll(approvals, items, { dryRun, credential: 'git-key' });
      expect(answers.filter(({ decision }) => decision)).toHaveLength(scope === 'once' ? 1 : 3);
      for (const answer of answers) if (!answer.decision) expect(codes(answer)).toContain('approval_used');
    }
  }
});
