/**
 * What a class of questions is held against when it is asked for is what its approval is held against when it is used: it can be
 * asked for where it is good for the question that was denied, and nowhere else.
 */
import fc from 'fast-check';
import { beforeAll, expect, it, vi } from 'vitest';
import { APPROVAL_FILES, minutes } from '../support/approval-world.js';
import { answer, ask, fetchApproval, presenting, type AskedQuestion } from '../support/approve.js';
import { clientNamed, DAYTIME, startFiles, type Running } from '../support/sample.js';
import { assertUntilSeen } from '../support/until-seen.js';

let remit: Running;
beforeAll(async () => {
  const files = {
    ...APPROVAL_FILES,
    'schema.zed': (APPROVAL_FILES['schema.zed'] ?? '')
      .replace('definition user {}', 'caveat by_day(hour int) {\n  hour < 18\n}\ndefinition user {}')
      .replace('  relation oncall: user\n', '  relation oncall: user\n  relation day: user with by_day\n  permission handle = day\n'), // prettier-ignore
    'world.yaml': (APPROVAL_FILES['world.yaml'] ?? '').replace(
      '  repository:api#owner@team:core#member\n',
      '  repository:api#owner@team:core#member\n  repository:api#day@user:ann[by_day]\n',
    ),
  };
  remit = await startFiles(files, { clients: [clientNamed('git', 'git', 'evaluate', 'asserts_subject')] });
  return () => remit.stop();
});

/** The ways to ask: with a token that is passed on, for itself, or as the client vouches for. */
type Way = 'token' | 'own' | 'vouched';
interface Class {
  readonly resources: unknown;
  readonly locations?: string[] | undefined;
  readonly access?: 'online' | 'background' | undefined;
  readonly purpose?: string | undefined;
}
const BY_PERMISSION = { type: 'repository', permission: 'handle' };
const classes: fc.Arbitrary<Class> = fc.record({
  resources: fc.constantFrom<unknown>(['repository:api'], BY_PERMISSION, BY_PERMISSION, ['repository:web']),
  locations: fc.constantFrom(undefined, ['git'], ['remit'], ['elsewhere', 'remit']),
  access: fc.constantFrom(undefined, 'online' as const, 'background' as const),
  purpose: fc.constantFrom(undefined, 'release', 'payroll'),
});
const questions = fc.record({
  way: fc.constantFrom<Way>('token', 'own', 'vouched'),
  background: fc.boolean(),
  tokenPurpose: fc.constantFrom(undefined, 'release'),
  hour: fc.constantFrom(undefined, 9, 9, 20),
});

const covers = (
  { resources, locations, access, purpose }: Class,
  { way, background, tokenPurpose, hour }: { way: Way; background: boolean; tokenPurpose?: string | undefined; hour?: number | undefined },
): boolean => {
  const isToken = way !== 'vouched';
  return (
    // What an agent says of the hour proves nothing.
    (resources === BY_PERMISSION ? hour === 9 && way !== 'own' : JSON.stringify(resources) === '["repository:api"]') &&
    (locations === undefined || locations.includes(way === 'own' ? 'remit' : 'git')) &&
    // For the background is for both.
    (access !== 'online' || !(isToken && background)) &&
    (purpose === undefined || (isToken && purpose === tokenPurpose))
  );
}; // prettier-ignore

async function prepare({ way, background, tokenPurpose, hour }: Parameters<typeof covers>[1]) {
  const claims = { user: 'ann', agent: 'coder', scope: 'code.write code.write.background', background, purpose: tokenPurpose, ttlSeconds: 7200 }; // prettier-ignore
  const token = await remit.mint(way === 'own' ? claims : { ...claims, audience: 'git' });
  const stated = hour === undefined ? {} : { hour };
  const act = way === 'vouched' ? { properties: { act: { sub: 'coder' } } } : {};
  const question: AskedQuestion = {
    subject: { type: 'user', id: 'ann', ...act },
    action: { name: 'merge', properties: { branch: 'main' } },
    resource: { type: 'repository', id: 'api' },
    context: way === 'token' ? { ...stated, token } : stated,
  };
  return { question, stated, credential: way === 'own' ? token : 'git-key' };
}

it('is that of the question as it is asked with the approval', async () => {
  const seen = new Set<string>();
  const property = fc.asyncProperty(classes, questions, async (details, how) => {
    remit.at(DAYTIME);
    await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
    const { question, stated, credential } = await prepare(how);
    const denied = await ask(remit, question, { credential });
    const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
    const requested = { details: [JSON.parse(JSON.stringify({ type: 'remit', actions: ['merge'], ...details })) as object] };
    const body = { ...question, context: stated, denial, requested_access: requested };
    const response = await remit.post('/access/v1/requests', body, { authorization: `Bearer ${credential}` });
    const isCovered = covers(details, how);
    expect(response.statusCode, response.body).toBe(isCovered ? 202 : 400);
    if (!isCovered) {
      expect(response.json()).toMatchObject({ error: { at: 'requested_access.details' } });
      return;
    }
    const { id } = response.json<{ task: { id: string } }>().task;
    await answer(remit, id, ['olga'], { scope: 'until', until: minutes(60).toISOString() });
    const approval = await fetchApproval(remit, id, credential);
    const allowed = await ask(remit, presenting(question, approval), { credential });
    expect(allowed.decision, JSON.stringify(allowed.context?.reasons)).toBe(true);
    if (details.locations !== undefined) seen.add(`${how.way} at its location`);
    if (details.resources === BY_PERMISSION) seen.add('by a permission with a caveat');
  }); // prettier-ignore
  const wanted = ['token at its location', 'own at its location', 'vouched at its location', 'by a permission with a caveat']; // prettier-ignore
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 60 }),
    () => wanted.filter((kind) => !seen.has(kind)),
  );
}, 120_000);

it('is no refusal of the class where the graph can not answer', async () => {
  remit.at(DAYTIME);
  const { question, stated } = await prepare({ way: 'token', background: false, hour: 9 });
  const denied = await ask(remit, question);
  const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
  const details = [{ type: 'remit', actions: ['merge'], resources: BY_PERMISSION }];
  const { engine } = remit.service.activePolicies;
  const failing = vi
    .spyOn(engine, 'check')
    .mockImplementation((checks) =>
      Promise.resolve(checks.map(() => ({ result: 'unknown' as const, fault: 'relationships_unavailable' as const }))),
    );
  const body = { ...question, context: stated, denial, requested_access: { details } };
  const response = await remit.post('/access/v1/requests', body, { authorization: 'Bearer git-key' });
  failing.mockRestore();
  expect([response.statusCode, response.json()]).toMatchObject([503, { error: { code: 'relationships_unavailable' } }]);
});
