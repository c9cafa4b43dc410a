/** The client against the real service: each kind of question, and what comes back. */
import { createClient, RemitDenied, RemitSetupError, type Question } from 'remit-client';
import { describe, expect, inject, it } from 'vitest';
import { collect } from '../../support/collect.js';

const { url, key, askerKey, tokens } = inject('service');
const remit = createClient({ url, key, timeoutMs: 20_000, obligations: { mask: true } });
const read: Question = {
  subject: { type: 'user', id: 'alice' },
  action: 'read',
  resource: { type: 'employee', id: 'erin' },
  context: { token: tokens.reader },
};

describe('can', () => {
  it('is an allow with its obligations, which the answer carries out', async () => {
    const answer = await remit.can(read);
    expect(answer).toMatchObject({ allowed: true, code: undefined, obligations: [{ type: 'mask' }], isCached: false });
    expect(answer.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.mask({ name: 'Erin', salary: 1, ssn: '2' })).toEqual({ name: 'Erin' });
  });

  it('is a deny with its reason and a text for people', async () => {
    const answer = await remit.can({ ...read, action: { name: 'delete' } });
    expect(answer).toMatchObject({ allowed: false, code: 'policy_forbid' });
    expect(answer.message).toContain('may not');
  });

  it('declares no obligation that is not in the table', async () => {
    const bare = createClient({ url, key });
    expect(await bare.can(read)).toMatchObject({ allowed: false, code: 'obligation_unsupported' });
    expect(await bare.can(read, { obligations: ['mask'] })).toMatchObject({ allowed: true });
    const insisting = { ...read, context: { ...read.context, supported_obligations: ['mask'] } };
    expect(await bare.can(insisting)).toMatchObject({ allowed: false, code: 'obligation_unsupported' });
  });

  it('asks for people with a client that vouches for them', async () => {
    const context = { mode: 'human' };
    expect(await remit.can({ ...read, context })).toMatchObject({ allowed: true });
  });
});

it('assert throws what was denied, and what would help', async () => {
  const denied = await remit.assert({ ...read, context: { token: tokens.unscoped } }).catch((error: unknown) => error);
  expect(denied).toBeInstanceOf(RemitDenied);
  expect(denied).toMatchObject({ kind: 'denied', code: 'scope_insufficient', remedies: [{ type: 'scope' }] });
  await expect(remit.assert(read)).resolves.toMatchObject({ allowed: true });
});

it('canAll answers in order, and an item that is no question is denied alone', async () => {
  const bad = { ...read, resource: { type: 'employee', id: 'a\nb' } };
  const answers = await remit.canAll([read, { ...read, action: 'delete' }, bad, read]);
  expect(answers.map(({ allowed }) => allowed)).toEqual([true, false, false, true]);
  expect(answers.map(({ isUndecided }) => isUndecided)).toEqual([false, false, true, false]);
  expect(await remit.canAll([])).toEqual([]);
});

describe('search', () => {
  it('goes over all pages', async () => {
    const search = { ...read, resource: { type: 'employee' } };
    const all = await collect(remit.search.resources(search));
    const paged = await collect(remit.search.resources({ ...search, pageSize: 2 }));
    expect(paged.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    expect(all.length).toBeGreaterThan(4);
    expect(all.map(({ id }) => id)).toContain('erin');
  });

  it('finds what may be done, and who may', async () => {
    const actions = await collect(remit.search.actions({ ...read, context: { token: tokens.reader } }));
    expect(actions.map(({ name }) => name)).toContain('read');
    const { action, resource } = read;
    const subjects = await collect(
      remit.search.subjects({ subject: { type: 'user' }, action, resource, context: { mode: 'human' } }),
    );
    expect(subjects).toContainEqual({ type: 'user', id: 'alice' });
  });
});

it('filter answers the permitted records, masked', async () => {
  const records = ['erin', 'grace', 'bob'].map((id) => ({ type: 'employee', id, properties: { name: id, salary: 1 } }));
  const { subject, action, context } = read;
  const answer = await createClient({ url, key }).filter({ subject, action, context: { ...context }, records });
  expect(answer.records).toContainEqual({ type: 'employee', id: 'erin', properties: { name: 'erin' } });
  expect(answer.removed).toBe(records.length - answer.records.length);
  expect(answer.removed).toBeGreaterThan(0);
  expect([answer.id, answer.invalid]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), []]);
});

it('an agent asks with its own token, and learns what it may do', async () => {
  const agent = createClient({ url, credential: () => tokens.reader, obligations: { mask: true } });
  const { context: _context, ...own } = read;
  expect(await agent.can(own)).toMatchObject({ allowed: true });
  const capabilities = await agent.capabilities();
  const [employees] = capabilities.filter((entry) => entry.resource_type === 'employee');
  expect(employees?.actions.map(({ name }) => name)).toContain('read');
  // A client that has the agent's token is told the same.
  expect(await remit.capabilities({ token: tokens.reader })).toEqual(capabilities);
  // None is another answer than a token that is refused.
  await expect(remit.capabilities({ token: 'no.token.of-any' })).rejects.toMatchObject({
    kind: 'denied',
    code: expect.stringMatching(/^token_/) as string,
    reasons: [{ code: expect.any(String) as string }],
    decisionId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
  });
});

it('capabilities of a token that is refused are no empty list', async () => {
  const denied = { kind: 'denied', code: 'token_malformed', remedies: [{ type: 'token' }] };
  await expect(remit.capabilities({ token: 'x' })).rejects.toMatchObject(denied);
});

describe('an access request', () => {
  const merge: Question = {
    subject: { type: 'user', id: 'carol' },
    action: { name: 'merge', properties: { branch: 'main' } },
    resource: { type: 'repository', id: 'payments-api' },
    context: { token: tokens.coder },
  };
  const told: unknown[] = [];
  const git = createClient({
    url,
    key,
    timeoutMs: 20_000,
    obligations: { notification: ({ properties }) => told.push(properties['topic']) },
  });
  const answerTask = async (id: string, decision: string, scope?: string): Promise<void> => {
    const response = await fetch(`${url}/v1/approvals/${id}/decision`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.owner}`, 'content-type': 'application/json' },
      body: JSON.stringify({ decision, scope }),
    });
    expect(response.status, await response.text()).toBe(200);
  };

  it('is answered by people; then the same question is allowed, once', async () => {
    const denied = await git.can(merge);
    expect(denied).toMatchObject({ allowed: false, code: 'approval_required' });
    const task = await git.requestAccess(denied, { justification: 'a release' });
    expect([task.state.status, task.question]).toEqual(['pending', undefined]);
    const waiting = task.wait({ pollMs: 20 });
    await answerTask(task.id, 'approve');
    expect(await waiting).toMatchObject({ status: 'approved' });
    const question = task.question;
    if (question === undefined) throw new Error('no question');
    const before = told.length;
    const allowed = await git.can(question);
    expect(allowed).toMatchObject({ allowed: true, obligations: [{ type: 'notification' }] });
    expect(told.length).toBe(before + 1);
    const again = await git.can(question);
    expect([again.allowed, again.reasons.map((reason) => reason.code)]).toEqual([
      false,
      expect.arrayContaining(['approval_used']),
    ]);
    await git.outcome(allowed.id ?? '', { outcome: 'executed' });
  });

  it('can be cancelled, and given up', async () => {
    const task = await git.requestAccess(await git.can(merge));
    const controller = new AbortController();
    const waiting = task.wait({ signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'unavailable', code: 'aborted' });
    expect(await task.cancel()).toMatchObject({ status: 'cancelled' });
    await expect(task.cancel()).rejects.toMatchObject({ kind: 'setup', status: 409 });
  });

  it('is refused where no approval would help', async () => {
    const hopeless = remit.requestAccess(await remit.can({ ...read, action: 'delete' }));
    await expect(hopeless).rejects.toMatchObject({
      kind: 'denied',
      message: 'denied: policy_forbid, and no approval for it can be asked for',
    });
    await expect(remit.requestAccess(await remit.can(read))).rejects.toThrow(RemitSetupError);
    // The binding of a denial that the service doesn't find requestable.
    const { id: dryRun } = await git.can({ ...merge, context: { ...merge.context, dry_run: true } });
    const denied = await git.can(merge);
    const forged = Object.defineProperty({ ...denied, id: dryRun, accessRequest: { expires_at: '2100-01-01T00:00:00Z' } }, 'question', { value: denied.question }); // prettier-ignore
    await expect(git.requestAccess(forged)).rejects.toMatchObject({ kind: 'denied', code: 'approval_required' });
  });

  it('for a class of questions has the details that approvers read, and is good for each of them', async () => {
    const releases = {
      type: 'remit',
      actions: ['merge'],
      resources: ['repository:payments-api'],
      constraints: { 'action.branch': { one_of: ['main', 'release'] } },
    };
    const denied = await git.can(merge);
    const requestedUntil = new Date(Date.now() + 3_600_000).toISOString();
    const task = await git.requestAccess(denied, { details: [releases], requestedUntil });
    const waiting = task.wait({ pollMs: 20 });
    await answerTask(task.id, 'approve', 'until');
    expect(await waiting).toMatchObject({ status: 'approved' });
    const context = { ...merge.context, ...task.question?.context };
    for (const branch of ['main', 'release', 'main'])
      expect(await git.can({ ...merge, action: { name: 'merge', properties: { branch } }, context })).toMatchObject({ allowed: true }); // prettier-ignore
  });
});

describe('discovery', () => {
  it('takes the endpoints of the metadata', async () => {
    const found = createClient({ url, key, discovery: true, obligations: { mask: true } });
    expect(await found.can(read)).toMatchObject({ allowed: true });
  });

  it('refuses metadata that is not of the very address that was configured', async () => {
    const other = createClient({ url: `${url}/`, key, discovery: true });
    await expect(other.can(read)).rejects.toMatchObject({ kind: 'setup', code: 'identity' });
  });
});

describe('what is wrongly set up', () => {
  it('is told apart from a deny, without the key', async () => {
    const wrong = createClient({ url, key: 'not-the-key' });
    const error: unknown = await wrong.can(read).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'setup', code: 'credential', status: 401 });
    expect(String(error)).not.toContain('not-the-key');
    await expect(createClient({ url, key: tokens.owner }).can(read)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(remit.can({ ...read, resource: { type: 'employee', id: 'a\nb' } })).rejects.toMatchObject({
      code: 'question',
      at: 'resource.id',
    });
    await expect(createClient({ url: `${url}/elsewhere`, key }).can(read)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('says which permission a client lacks, and does not blame one where the agent’s token is missing', async () => {
    const asker = createClient({ url, key: askerKey });
    const lacks = (permission: string) => ({
      kind: 'setup',
      code: 'forbidden',
      message: `the authorization service does not let this client ask this: it lacks the permission "${permission}" (status 403)`,
    });
    const { subject, action, context } = read;
    const search = { subject, action, context: { ...context }, resource: { type: 'employee' } };
    await expect(collect(asker.search.resources(search))).rejects.toMatchObject(lacks('search'));
    await expect(asker.capabilities({ token: tokens.reader })).rejects.toMatchObject(lacks('search'));
    const filtered = asker.filter({ subject, action, context: { ...context }, records: [] });
    await expect(filtered).rejects.toMatchObject(lacks('filter'));
    for (const client of [asker, remit])
      await expect(client.capabilities()).rejects.toMatchObject({
        kind: 'setup',
        code: 'options',
        message: expect.stringContaining('there is no token of an agent') as string,
      });
  });
});
