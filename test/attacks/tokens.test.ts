/** The attacks of tokens.yaml, each against a running Remit: as an API passes the token on, or as an agent presents it. */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { REASONS } from '../../src/model/reasons.js';
import { clientNamed, codes, startWith, type Answer, type Running } from '../support/sample.js';
import { encoded, makeKey, T, type Key } from '../tokens/keys.js';
import { collectCleanups } from '../support/cleanups.js';

const record = z.record(z.string(), z.unknown());
const attack = z.strictObject({
  attack: z.string(),
  source: z.string().min(1),
  issuer: z.enum(['corp', 'partner', 'legacy', 'robots', 'strict', 'weak']).default('corp'),
  header: record.default({}),
  claims: record.default({}),
  raw: z.strictObject({ header: z.string().optional(), payload: z.string().optional() }).default({}),
  key: z.enum(['issuer', 'stranger', 'public', 'empty']).default('issuer'),
  text: z.string().optional(),
  by: z.enum(['hr-api', 'other-api', 'agent']).default('hr-api'),
  request: record.default({}),
  expect: z.union([z.enum(['allow', ...Object.keys(REASONS)]), z.literal([400, 401])]),
});
type Attack = z.infer<typeof attack>;

const attacks = z
  .array(attack)
  .parse(parse(readFileSync(new URL('tokens.yaml', import.meta.url), 'utf8'), { version: '1.2' }));

const keys = {} as Record<'corp' | 'partner' | 'stranger', Key>;
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
let remit: Running;
let jwks: Server;

const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  keys.corp = await makeKey('ES256', 'corp');
  keys.partner = await makeKey('Ed25519', 'partner');
  keys.stranger = await makeKey('ES256', 'corp');
  // A weak key in the configuration would be refused at the start.
  jwks = createServer((_request, response) =>
    response.end(JSON.stringify({ keys: [{ ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak' }] })),
  ).listen(0, '127.0.0.1');
  onSuiteFinished(() => jwks.close());
  await new Promise((resolve) => jwks.once('listening', resolve));
  const issuer = (name: string, more: object): object => ({
    issuer: `https://${name}.example`,
    audience: 'remit',
    ...(name === 'weak'
      ? { jwks_uri: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/` }
      : { jwks: { keys: [name === 'partner' ? keys.partner.jwk : keys.corp.jwk] } }),
    ...(name === 'corp' ? { primary: true } : { alias: name }),
    ...more,
  });
  remit = await startWith({
    issuers: [
      issuer('corp', {}),
      issuer('partner', { algorithms: ['Ed25519'] }),
      issuer('legacy', { shape: 'client_id', token_types: ['JWT'] }),
      issuer('robots', { shape: 'agent' }),
      issuer('strict', { actor_profiles: ['ai_agent'] }),
      issuer('weak', { algorithms: ['RS256'] }),
    ],
    clients: [
      clientNamed('hr-api', 'hr-api', 'evaluate'),
      clientNamed('other-api', 'other-api', 'evaluate'),
      clientNamed('admin', 'admin', 'admin'),
    ],
  });
  onSuiteFinished(() => remit.stop());
  const admin = { authorization: 'Bearer admin-key' };
  const relationships = [
    'employee:erin#manager@user:legacy|alice',
    'agent:legacy|hr-assistant#delegator@user:legacy|alice',
    'repository:handbook#reader@agent:robots|planner',
  ];
  const updates = relationships.map((relationship) => ({ operation: 'touch', relationship }));
  expect((await remit.post('/v1/relationships', { updates }, admin)).statusCode).toBe(200);
  for (const id of ['legacy|hr-assistant', 'robots|planner', 'robots|alice'])
    await remit.app.inject({
      method: 'PUT',
      url: `/v1/entities/agent/${encodeURIComponent(id)}`,
      headers: { host: '127.0.0.1:7480', ...admin },
      payload: { attributes: { name: id, kind: 'assistant', suspended: false } },
    });
});

it.each(attacks.map((a) => [a.attack, a.source, a] as const))('%s (%s)', async (_attack, _source, a) => {
  const token = await forged(a);
  const direct = a.by === 'agent';
  const [type, id] = a.issuer === 'robots' ? ['agent', 'robots|planner'] : ['user', userOf(a)];
  const resource = a.issuer === 'robots' ? { type: 'repository', id: 'handbook' } : { type: 'employee', id: 'erin' };
  const { context, ...more } = a.request;
  const response = await remit.post(
    '/access/v1/evaluation',
    {
      subject: { type, id },
      action: { name: 'read' },
      resource,
      ...more,
      context: { ...(context as object | undefined), ...(direct ? {} : { token }) },
    },
    { authorization: `Bearer ${direct ? token : `${a.by}-key`}` },
  );
  // Nothing of the token, of its keys or of a library's own words comes back.
  for (const part of token.split('.').filter((p) => p.length > 20)) expect(response.body).not.toContain(part);
  expect(response.body).not.toMatch(/jose|Error:|node_modules|at .*\.js/);
  if (typeof a.expect === 'number') {
    expect(response.statusCode).toBe(a.expect);
    if (direct) {
      expect(response.json()).toEqual({ error: { code: 'unauthorized', message: 'The token is not valid.' } });
      expect(response.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", resource_metadata=/);
    }
    return;
  }
  expect(response.statusCode, response.body).toBe(200);
  const answer = response.json<Answer>();
  expect(codes(answer)[0] ?? 'allow', JSON.stringify(answer.context?.reasons)).toBe(a.expect);
  expect(answer.decision).toBe(a.expect === 'allow');
});

/** As the graph knows the user of the good token. */
function userOf({ issuer }: Attack): string {
  return issuer === 'corp' || issuer === 'partner' ? 'alice' : `${issuer}|alice`;
}

/** The good token of the issuer, with the one change of the attack. */
async function forged(a: Attack): Promise<string> {
  const alone = a.issuer === 'robots';
  const alg = { partner: 'Ed25519', weak: 'RS256' }[a.issuer as string] ?? 'ES256';
  const kid = a.issuer === 'partner' || a.issuer === 'weak' ? a.issuer : 'corp';
  const typ = a.issuer === 'legacy' ? 'JWT' : 'at+jwt';
  const header = a.raw.header ?? changed({ alg, kid, typ }, a.header);
  const claims = {
    iss: `https://${a.issuer}.example`,
    sub: alone ? 'planner' : 'alice',
    aud: 'hr-api',
    iat: T - 10,
    exp: T + 300,
    jti: 'j1',
    client_id: alone ? 'planner' : 'hr-assistant',
    scope: alone ? 'code.read' : 'hr.employees.read',
    ...(alone || a.issuer === 'legacy' ? {} : { act: { sub: 'hr-assistant' } }),
  };
  const payload = a.raw.payload ?? withDepth(JSON.stringify(changed(claims, a.claims)));
  const signed = `${encoded(header)}.${encoded(payload)}`;
  const signature = (await signatureOf(a, signed)).toString('base64url');
  const token = `${signed}.${signature}`;
  return (a.text ?? '{token}')
    .replace('{token}', token)
    .replace('{token~}', `${token.slice(0, -1)}${String.fromCharCode(token.charCodeAt(token.length - 1) + 1)}`)
    .replaceAll('{header}', encoded(header))
    .replaceAll('{payload}', encoded(payload))
    .replaceAll('{signature}', signature);
}

async function signatureOf({ key, issuer }: Attack, signed: string): Promise<Buffer> {
  if (key === 'public') return createHmac('sha256', JSON.stringify(keys.corp.jwk)).update(signed).digest();
  if (key === 'empty') return createHmac('sha256', '').update(signed).digest();
  if (issuer === 'weak') return sign('sha256', Buffer.from(signed), weak.privateKey);
  const by = key === 'stranger' ? keys.stranger : issuer === 'partner' ? keys.partner : keys.corp;
  const [head = '', body = ''] = signed.split('.');
  const token = await by.sign(Buffer.from(head, 'base64url'), Buffer.from(body, 'base64url'));
  return Buffer.from(token.split('.')[2] ?? '', 'base64url');
}

/** Members are replaced, taken away by null, or made: `nest:9`, `pad:9000`, `now:-1`, `null:`, `stranger`. */
function changed(good: object, change: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const made = Object.entries(change).map(([name, value]) => {
    const [, what, amount] = typeof value === 'string' ? (/^(nest|pad|now|null):(.*)$/.exec(value) ?? []) : [];
    if (what === 'nest') return [name, nested(Number(amount))];
    if (what === 'pad') return [name, 'x'.repeat(Number(amount))];
    if (what === 'now') return [name, T + Number(amount)];
    if (what === 'null') return [name, null];
    if (name === 'jwk' && value === 'stranger') return [name, keys.stranger.jwk];
    return [name, value ?? undefined];
  });
  return { ...good, ...(Object.fromEntries(made) as object) };
}

function nested(depth: number): object | string {
  // Deeper than JSON.stringify goes: put in as text.
  if (depth > 1000) return `nested:${depth}`;
  let act: object = { sub: 'agent-0' };
  for (let i = 1; i < depth; i += 1) act = { sub: `agent-${i}`, act };
  return act;
}

function withDepth(json: string): string {
  return json.replace(
    /"nested:(\d+)"/,
    (_, depth) => `${'{"act":'.repeat(Number(depth))}{}${'}'.repeat(Number(depth))}`,
  );
}
