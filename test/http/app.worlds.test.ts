/** Two other companies, by configuration alone: no name of the sample is needed to run them. */
import { copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { codes, DAYTIME, start, step, type Answer, type Running } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

const worlds = fileURLToPath(new URL('../support/worlds/', import.meta.url));

describe('people only, prefixed types, nothing stored (the AuthZEN certification fixture)', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start(join(worlds, 'records/remit.yaml'));
    return () => remit.stop();
  });

  const key = { authorization: 'Bearer records-key' };
  const ask = (user: object, action: object, record: object, more: object = {}) =>
    remit.post(
      '/access/v1/evaluation',
      { subject: { type: 'exm/user', ...user }, action, resource: { type: 'exm/record', ...record }, ...more },
      key,
    );

  it.each([
    ['alice reads', { id: 'alice' }, { name: 'read' }, { id: 'record-1' }, true],
    ['alice writes', { id: 'alice' }, { name: 'write' }, { id: 'record-1' }, true],
    ['bob reads', { id: 'bob' }, { name: 'read' }, { id: 'record-1' }, true],
    ['bob does not write', { id: 'bob' }, { name: 'write' }, { id: 'record-1' }, false],
    [
      'alice does not write what is archived',
      { id: 'alice' },
      { name: 'write' },
      { id: 'record-2', properties: { status: 'archived' } },
      false,
    ],
    [
      'an admin does',
      { id: 'bob', properties: { role: 'admin' } },
      { name: 'write' },
      { id: 'record-2', properties: { status: 'archived' } },
      true,
    ],
    ['a soft delete', { id: 'alice' }, { name: 'delete', properties: { soft: true } }, { id: 'record-1' }, true],
    ['a hard one', { id: 'alice' }, { name: 'delete', properties: { soft: false } }, { id: 'record-1' }, false],
    ['a delete that does not say which', { id: 'alice' }, { name: 'delete' }, { id: 'record-1' }, false],
    ['a stranger', { id: 'mallory' }, { name: 'read' }, { id: 'record-1' }, false],
    [
      'more properties than are known',
      { id: 'alice', properties: { department: 'Sales', role: 'manager' } },
      { name: 'read', properties: { method: 'GET' } },
      { id: 'record-1', properties: { status: 'active', owner: 'bob' } },
      true,
    ],
  ])('%s', async (_name, user, action, record, decision) => {
    const response = await ask(user, action, record);
    expect(response.statusCode).toBe(200);
    // Minimal answers, by configuration: nothing but the decision, so identical questions get identical bodies.
    expect(response.json()).toEqual({ decision });
    expect((await ask(user, action, record)).body).toBe(response.body);
  });

  it('ignores what it does not know, and takes a context of any kind', async () => {
    const response = await ask(
      { id: 'alice' },
      { name: 'read' },
      { id: 'record-1' },
      { foo: 'bar', future: { nested: true }, context: { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' } },
    );
    expect(response.json()).toEqual({ decision: true });
  });

  it('has no development client, and its key opens nothing it may not', async () => {
    expect(remit.service.devKey).toBeUndefined();
    const response = await remit.post(
      '/v1/relationships',
      { updates: [{ operation: 'touch', relationship: 'exm/record:record-1#writer@exm/user:bob' }] },
      key,
    );
    expect(response.statusCode).toBe(403);
  });
});

describe('bots, vaults, caveats and an issuer of its own', () => {
  let remit: Running;
  let directory: string;
  let sign: (claims: JWTPayload, issuer?: string) => Promise<string>;

  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'remit-world-'));
    onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
    cpSync(join(worlds, 'bots'), directory, { recursive: true });
    copyFileSync(join(worlds, 'bots/schema.zed'), join(directory, 'schema.zed'));
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] };
    const issuer = (name: string, more: object) => ({ issuer: name, jwks, audience: 'vaults', ...more });
    writeFileSync(
      join(directory, 'remit.yaml'),
      stringify({
        schema: { relationships: 'schema.zed', actions: 'actions.cedarschema' },
        policies: '.',
        world: 'world.yaml',
        issuers: [
          issuer('https://login.example', { primary: true }),
          issuer('https://claims.example', { alias: 'claims', shape: 'user_claim', user_claim: 'on_behalf_of' }),
          issuer('https://agents.example', { alias: 'm2m', shape: 'agent' }),
        ],
      }),
    );
    remit = await start(join(directory, 'remit.yaml'));
    onSuiteFinished(() => remit.stop());
    sign = (claims, name = 'https://login.example') =>
      new SignJWT({ aud: 'vaults', scope: 'vault.open', ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })
        .setIssuer(name)
        .setExpirationTime(DAYTIME.getTime() / 1000 + 300)
        .sign(privateKey);
  });

  const open = async (
    claims: JWTPayload,
    more: { action?: string; subject?: string; context?: object; properties?: object; issuer?: string } = {},
  ): Promise<Answer> =>
    remit.evaluate({
      subject: { type: 'person', id: more.subject ?? claims.sub },
      action: { name: more.action ?? 'open' },
      resource: { type: 'vault', id: 'v1', ...(more.properties === undefined ? {} : { properties: more.properties }) },
      context: { ...more.context, token: await sign(claims, more.issuer) },
    });

  it('knows a bot for an agent and a person for a user, and allows', async () => {
    const answer = await open({ sub: 'ada', act: { sub: 'b1' } });
    expect(codes(answer)).toEqual([]);
    expect(answer.decision).toBe(true);
    expect(answer.context?.rationale.acting).toEqual({
      mode: 'delegated',
      user: 'person:ada',
      agent: 'bot:b1',
      chain: [],
    });
  });

  it('asks the agent for a permission of its own where the schema says so', async () => {
    const answer = await open({ sub: 'ada', act: { sub: 'b2' } });
    expect(codes(answer)).toEqual(['agent_relationship_missing', 'policy_no_permit']);
  });

  it("gives a caveat the request's own context, and says what it lacks", async () => {
    const ben = { sub: 'ben', act: { sub: 'b1' } };
    const bare = await open(ben);
    expect(codes(bare)).toContain('context_missing');
    expect(bare.context?.reasons[0]?.message).toContain('hour');
    expect((await open(ben, { context: { hour: 10 } })).decision).toBe(true);
    expect(codes(await open(ben, { context: { hour: 3 } }))).toContain('relationship_missing');
    expect(codes(await open(ben, { context: { hour: 'ten' } }))).toContain('graph_unanswerable');
  });

  it('does not let a caveat be answered by members that are Remit’s own', async () => {
    const answer = await open({ sub: 'ben', act: { sub: 'b1' } }, { context: { dry_run: true, agent: 'b1' } });
    expect(codes(answer)).toContain('context_missing');
  });

  it('offers the remedy of a forbid', async () => {
    const answer = await open({ sub: 'ada', act: { sub: 'b1' } }, { context: { reason: 'whim' } });
    expect(codes(answer)).toEqual(['policy_forbid']);
    expect(answer.context?.remedies).toEqual([{ type: 'step_up', acr: 'urn:example:loa3' }]);
  });

  it('denies where a policy fails to evaluate', async () => {
    const answer = await open({ sub: 'ada', act: { sub: 'b1' } }, { properties: { door: { code: 'x', opened: 5 } } });
    expect(codes(answer)).toEqual(['policy_error']);
    expect(answer.context?.reasons[0]?.policies).toEqual(['overflow']);
  });

  it('refuses a property of a wrong type, naming it', async () => {
    const body = {
      subject: { type: 'person', id: 'ada' },
      action: { name: 'open' },
      resource: { type: 'vault', id: 'v1', properties: { door: { code: 7 } } },
      context: { token: await sign({ sub: 'ada', act: { sub: 'b1' } }) },
    };
    const response = await remit.post('/access/v1/evaluation', body);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toEqual({
      error: { code: 'bad_request', message: 'must be a string', at: 'resource.properties.door.code' },
    });
  });

  it('covers an action without a scope by authorization details only; a duty obliges whatever its effect', async () => {
    const bare = await open({ sub: 'ada', act: { sub: 'b1' } }, { action: 'peek' });
    expect(codes(bare)).toEqual(['authorization_details_mismatch']);
    const detailed = await open(
      { sub: 'ada', act: { sub: 'b1' }, authorization_details: [{ type: 'remit', actions: ['peek'] }] },
      { action: 'peek' },
    );
    expect(detailed.decision).toBe(true);
    expect(detailed.context?.obligations).toEqual([
      { id: 'mask', type: 'mask', properties: { fields: ['door'] } },
      {
        id: 'notification',
        type: 'notification',
        properties: { to: ['security'], topic: 'vault.peek', body: expect.stringContaining('b1 for') as string },
      },
    ]);
  });

  it('denies an action that asks for consent, of an agent', async () => {
    const answer = await open({ sub: 'ada', act: { sub: 'b1' } }, { action: 'empty' });
    expect(codes(answer)).toEqual(['approval_required', 'consent_required']);
    expect(answer.context?.remedies).toEqual([{ type: 'consent' }]);
    const person = await remit.evaluate({
      subject: { type: 'person', id: 'ada' },
      action: { name: 'empty' },
      resource: { type: 'vault', id: 'v1' },
      context: { mode: 'human' },
    });
    expect(person.decision).toBe(true);
  });

  it('denies without any permit', async () => {
    const answer = await open(
      { sub: 'ada', act: { sub: 'b2' }, authorization_details: [{ type: 'remit', actions: ['peek'] }] },
      { action: 'peek' },
    );
    expect(codes(answer)).toEqual(['policy_no_permit']);
  });

  it('names the people and bots of other issuers apart from those of the primary one', async () => {
    const claims = { sub: 'b1', on_behalf_of: 'ada' };
    const answer = await open(claims, { issuer: 'https://claims.example', subject: 'claims|ada' });
    expect(answer.context?.rationale.acting).toEqual({
      mode: 'delegated',
      user: 'person:claims|ada',
      agent: 'bot:claims|b1',
      chain: [],
    });
    expect(codes(answer)).toContain('delegation_missing');
    expect(codes(await open(claims, { issuer: 'https://claims.example', subject: 'ada' }))).toEqual([
      'subject_mismatch',
    ]);
    expect(codes(await open({ sub: 'claims|ada', act: { sub: 'b1' } }))).toEqual(['token_claims_invalid']);
  });

  it('takes an agent alone from the issuer of such, and nowhere else', async () => {
    const alone = await remit.evaluate({
      subject: { type: 'bot', id: 'm2m|b1' },
      action: { name: 'open' },
      resource: { type: 'vault', id: 'v1' },
      context: { token: await sign({ sub: 'b1' }, 'https://agents.example') },
    });
    expect(alone.context?.rationale.acting).toEqual({ mode: 'direct', agent: 'bot:m2m|b1', chain: [] });
    expect(step(alone, 'delegation')?.outcome).toBe('pass');
    expect(codes(alone)).toContain('relationship_missing');
    expect(codes(await open({ sub: 'ada' }))).toEqual(['token_actor_invalid']);
  });

  it('lets a client vouch for a person with a bot it has verified itself', async () => {
    const body = (act: object, context = {}) => ({
      subject: { type: 'person', id: 'ada', properties: { act } },
      action: { name: 'open' },
      resource: { type: 'vault', id: 'v1' },
      context,
    });
    const answer = await remit.evaluate(body({ sub: 'b1' }));
    expect(answer.decision).toBe(true);
    expect(step(answer, 'token')?.evidence).toEqual({ asserted_by: 'dev' });
    expect(codes(await remit.evaluate(body({ sub: 'b2' })))).toContain('agent_relationship_missing');
    expect(codes(await remit.evaluate(body({ sub: 'b1' }, { mode: 'human' })))).toEqual(['subject_mismatch']);
    const chain = await remit.evaluate(body({ sub: 'b1', act: { sub: 'b2' } }));
    expect(chain.context?.rationale.acting).toMatchObject({ agent: 'bot:b1', chain: ['bot:b2'] });
    expect((await remit.evaluate(body('b1' as unknown as object))).decision).toBe(true);
    for (const bad of [['b1'], { sub: 1 }, { sub: 'b1', act: 'b2' }]) {
      expect((await remit.post('/access/v1/evaluation', body(bad as object))).statusCode).toBe(400);
    }
  });
});
