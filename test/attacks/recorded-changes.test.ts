/** What people and clients change over HTTP is on record, each change once, with who made it, and without a word in clear. */
import { beforeAll, expect, it } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { answer, ask, requestAccess } from '../support/approve.js';
import { clearText } from '../support/clear-text.js';
import { clientNamed, codes, startFiles, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': `use expiration
definition user {}
definition agent { relation delegator: user | user with expiration
}
definition repository {
  relation owner: user
  relation reader: user
  relation maintainer: user | user with expiration
  permission own = owner
  permission push = owner + maintainer
  permission read = reader + push
}`,
  'schema.cedarschema': `
entity User { name?: String };
entity Agent { name?: String };
entity Repository {};
@permission("push") @scope("code.write") @title("Push") @effect("write") @elevation("maintainer by own for PT1H if read")
action "push" appliesTo { principal: [Agent, User], resource: [Repository], context: { approval?: Remit::Approval } };
@permission("read") @scope("code.write") @title("Read") @effect("read") @consent("standing")
action "read" appliesTo { principal: [Agent, User], resource: [Repository], context: {} };`,
  'policies/all.cedar': `
@id("all") permit (principal, action, resource);
@id("reviewed") @duty("review:own") permit (principal is Agent, action == Action::"read", resource);`,
  'world.yaml': `relationships: |
  repository:api#owner@user:zacharias
  repository:api#reader@user:wilhelmina
  agent:coder#delegator@user:wilhelmina
entities:
  - { type: user, id: wilhelmina }
  - { type: agent, id: coder }
`,
} as const;

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startFiles(FILES, {
    clients: [clientNamed('git', 'git', 'evaluate'), clientNamed('portal', 'portal', 'delegate'), clientNamed('root', 'root', 'admin')],
  }); // prettier-ignore
  remit.at(new Date());
  token = await remit.mint({
    audience: 'git',
    user: 'wilhelmina',
    agent: 'coder',
    scope: 'code.write',
    session: 's-1',
  });
  return () => remit.stop();
}, 60_000);

async function send(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object, credential?: string): Promise<LightMyRequestResponse> {
  const response = await remit.request(method, path, body, credential ?? (await remit.mint({ user: 'wilhelmina' })));
  expect(response.statusCode, response.body).toBeLessThan(300);
  return response;
} // prettier-ignore

/** The changes on record since the last call, as `kind.change by`, each with the decision that it is about. */
let seen = new Set<unknown>();
async function newChanges(): Promise<string[]> {
  const [rows = []] = await remit.service.database.run([
    { sql: `select * from records where decision is null and kind <> 'outcome' order by at, kind, id` },
  ]);
  const fresh = rows.filter(({ id }) => !seen.has(id));
  seen = new Set(rows.map(({ id }) => id));
  return fresh
    .map(({ kind, client, about, record }) => {
      const { change, by } = record as { change: string; by: Record<string, unknown> };
      const author = client === '' ? Object.keys(by).join() : String(client);
      return `${String(kind)}.${change} by ${author}${typeof about === 'string' ? ` about ${about}` : ''}`;
    })
    .sort();
}
const question = (action: string) => ({
  subject: { type: 'user', id: 'wilhelmina' },
  action: { name: action },
  resource: { type: 'repository', id: 'api' },
  context: { token },
});
const CONSENT = {
  agent: 'coder',
  details: [{ type: 'remit', actions: ['read'] }],
  until_ended: true,
  purpose: 'for wilhelmina',
};
const SOON = (): string => new Date(Date.now() + 3_600_000).toISOString();

it('records what a user gives, narrows and takes back, and nothing of what is refused', async () => {
  await send('POST', '/v1/delegations', { agent: 'coder', until_ended: true, details: [{ type: 'remit', actions: ['read', 'push'] }] }); // prettier-ignore
  expect(await newChanges()).toEqual(['delegation.given by user']);
  await send('PATCH', '/v1/delegations/coder', { ends: SOON() });
  expect(await newChanges()).toEqual(['delegation.narrowed by user']);
  const id = (await send('POST', '/v1/consents', CONSENT)).json<{ id: string }>().id;
  await send('PATCH', `/v1/consents/${id}`, { ends: SOON() });
  expect(await newChanges()).toEqual(['consent.given by user', 'consent.narrowed by user']);
  await send('DELETE', `/v1/consents/${id}`);
  await send('DELETE', `/v1/consents/${id}`);
  expect(await newChanges()).toEqual(['consent.withdrawn by user']);
  const asked = await send('POST', '/v1/consents/requests', { needs: CONSENT.details, purpose: 'wilhelmina asks', access: 'online', token }, 'git-key'); // prettier-ignore
  expect(await newChanges()).toEqual([]);
  await send('POST', `/v1/consents/requests/${asked.json<{ id: string }>().id}/decision`, { decision: 'deny' });
  expect(await newChanges()).toEqual(['consent_request.denied by user']);
  const refused = await remit.request(
    'POST',
    '/v1/delegations',
    { agent: 'coder', user: 'wilhelmina', ends: SOON() },
    'portal-key',
  );
  expect(refused.statusCode).toBe(409);
  expect(await newChanges()).toEqual([]);
  await send('POST', '/v1/delegations', { agent: 'coder', user: 'zacharias', ends: SOON() }, 'portal-key');
  await send('DELETE', '/v1/delegations/coder?user=zacharias', undefined, 'portal-key');
  expect(await newChanges()).toEqual(['delegation.ended by portal', 'delegation.given by portal']);
});

it('records approvals and what they give about the decision that was denied', async () => {
  const denied = await ask(remit, question('push'));
  expect(codes(denied)).toEqual(['approval_required', 'relationship_missing']);
  const about = denied.context?.id ?? '';
  const id = await requestAccess(remit, question('push'), denied);
  expect(await newChanges()).toEqual([]);
  await answer(remit, id, ['zacharias'], { note: 'wilhelmina may' });
  expect(await newChanges()).toEqual([`approval.approved by user about ${about}`, `elevation.granted by remit about ${about}`]);
  await send('DELETE', `/v1/approvals/${id}`, undefined, 'root-key');
  expect(await newChanges()).toEqual([`approval.revoked by root about ${about}`, `elevation.ended by remit about ${about}`]);
}); // prettier-ignore

it('records a verdict about the decision that was reviewed, and what the reviewer ends', async () => {
  await send('POST', '/v1/consents', CONSENT);
  await newChanges();
  const allowed = await ask(remit, question('read'));
  expect(allowed.decision, JSON.stringify(allowed)).toBe(true);
  const about = allowed.context?.id ?? '';
  await send(
    'POST',
    `/v1/decisions/${about}/review`,
    { verdict: 'wrong', note: 'wilhelmina again', end: true },
    'root-key',
  );
  expect(await newChanges()).toEqual([
    'consent.withdrawn by root',
    'delegation.ended by root',
    `review.answered by root about ${about}`,
  ]);
  await send('DELETE', '/v1/sessions/s-1');
  expect(await newChanges()).toEqual(['revocation.revoked by user']);
});

it('records all that ends where an agent is stopped, as one act', async () => {
  token = await remit.mint({
    audience: 'git',
    user: 'wilhelmina',
    agent: 'coder',
    scope: 'code.write',
    session: 's-2',
  });
  await send('POST', '/v1/delegations', { agent: 'coder', until_ended: true });
  await send('POST', '/v1/consents', CONSENT);
  await send('POST', '/v1/consents', CONSENT);
  await send('POST', '/v1/consents/requests', { needs: [{ type: 'remit', actions: ['read'] }], purpose: 'more', access: 'background', token }, 'git-key'); // prettier-ignore
  await requestAccess(remit, question('push'), await ask(remit, question('push')));
  await newChanges();
  await send('DELETE', '/v1/agents/coder/access');
  expect((await newChanges()).map((change) => change.split(' about ')[0])).toEqual([
    'approval.stopped by user', 'consent.withdrawn by user', 'consent.withdrawn by user', 'consent_request.denied by user',
    'delegation.stopped by user', 'revocation.revoked by user',
  ]); // prettier-ignore
  await send('DELETE', '/v1/agents/coder/access');
  expect(await newChanges()).toEqual(['revocation.revoked by user']);
});

it('lists none of them as a decision, and holds no person and no word of them in clear', async () => {
  const page = await remit.request('GET', '/v1/decisions?user=user:wilhelmina&limit=200', undefined, 'root-key');
  const { results } = page.json<{ results: { decision?: unknown }[] }>();
  expect(results.length).toBeGreaterThan(2);
  for (const result of results) expect(typeof result.decision, JSON.stringify(result)).toBe('boolean');
  const tables = ['records', 'record_values', 'person_keys', 'log_leaves', 'log_pending'];
  const dump = (await remit.service.database.run(tables.map((table) => ({ sql: `select t::text as row from ${table} t` })))).flat().map(({ row }) => String(row)).join('\n'); // prettier-ignore
  expect(dump).toContain('elevation');
  for (const secret of ['wilhelmina', 'zacharias', 'again']) {
    expect(dump).not.toMatch(clearText(secret));
    expect(dump).not.toContain(Buffer.from(secret).toString('hex'));
  }
});
