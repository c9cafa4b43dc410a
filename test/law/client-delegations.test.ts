/** The law of clients that may delegate: none changes what another party made, ended or stopped, whatever came before. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientNamed, startWith, T, type Running } from '../support/sample.js';
import { makeKey, type Key } from '../tokens/keys.js';

const ISSUER = 'https://corp.example';
const EDGE = 'agent:hr-assistant#delegator@user:bob';
const PAIR = { giver: { type: 'user', id: 'bob' }, agent: { type: 'agent', id: 'hr-assistant' } };
const ENDS = ['2030-03-05T10:00:00.000Z', '2030-03-06T10:00:00.000Z'];

let key: Key;
let user: string;
let remit: Running;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  const jwks = { keys: [key.jwk] };
  remit = await startWith({
    issuers: [{ issuer: ISSUER, jwks, audience: 'remit', primary: true, user_clients: ['web'], shape: 'act' }],
    clients: [
      clientNamed('root', 'root', 'admin'),
      clientNamed('portal', 'portal', 'delegate'),
      clientNamed('shop', 'shop', 'delegate'),
    ],
  });
  user = await key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    { iss: ISSUER, aud: 'remit', sub: 'bob', iat: T, exp: T + 1e6, client_id: 'web', auth_time: T },
  );
  return () => remit.stop();
});

type Party = 'user' | 'admin' | 'portal' | 'shop';
interface Act {
  readonly by: Party;
  readonly what: 'give' | 'narrow' | 'end' | 'stop';
  readonly ends: string;
}
const act: fc.Arbitrary<Act> = fc.record({
  by: fc.constantFrom('user', 'admin', 'portal', 'shop'),
  what: fc.constantFrom('give', 'give', 'narrow', 'end', 'stop'),
  ends: fc.constantFrom(...ENDS),
});

async function perform({ by, what, ends }: Act): Promise<number> {
  const credential = by === 'user' ? user : by === 'admin' ? 'root-key' : `${by}-key`;
  const query = by === 'user' ? '' : '?user=bob';
  const send = async (...[method, url, body]: [Parameters<Running['request']>[0], string, object?]) =>
    (await remit.request(method, url, body, credential)).statusCode;
  if (what === 'stop') return send('DELETE', `/v1/agents/hr-assistant/access${query}`);
  if (by === 'admin') {
    const operation = what === 'end' ? 'delete' : 'touch';
    const relationship = what === 'narrow' ? `${EDGE}[expiration:${ends.replace('.000', '')}]` : EDGE;
    return send('POST', '/v1/relationships', { updates: [{ operation, relationship }] });
  }
  const named = by === 'user' ? {} : { user: 'bob' };
  if (what === 'give') return send('POST', '/v1/delegations', { agent: 'hr-assistant', ends, ...named });
  if (what === 'end') return send('DELETE', `/v1/delegations/hr-assistant${query}`);
  return send('PATCH', `/v1/delegations/hr-assistant${query}`, { ends: ENDS[0], background: false });
}

/** All that a client could change: what the database has, and the relationship. */
async function look(): Promise<{ readonly stored: object | undefined; readonly edge: string }> {
  const filter = { resourceType: 'agent', resourceId: 'hr-assistant', relation: 'delegator', subjectType: 'user' };
  const read = await remit.service.activePolicies.engine.read({ ...filter, subjectId: 'bob' }, 10, 'full');
  return { stored: await remit.service.delegationStore.find(PAIR), edge: JSON.stringify(read.relationships) };
}

describe('a client that may delegate', () => {
  it('changes nothing that another made, ended or stopped', { timeout: 120_000 }, async () => {
    let [refused, done] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(act, { minLength: 2, maxLength: 8 }), async (hasWorld, acts) => {
        await remit.service.database.run([{ sql: 'delete from delegations' }]);
        await perform({ by: 'admin', what: hasWorld ? 'give' : 'end', ends: '' });
        /** The party whose work the present state is; undefined where there is nothing, and nothing was ended. */
        let owner: Party | undefined = hasWorld ? 'admin' : undefined;
        /** What a client left last, and which: an administrator who writes just that again gives it back to the client. */
        let left: { readonly state: string; readonly by: Party } | undefined;
        for (const one of acts) {
          const before = await look();
          const status = await perform(one);
          const after = await look();
          if (one.by === 'user' || one.by === 'admin') {
            const isNoChange = status >= 300 || JSON.stringify(before) === JSON.stringify(after);
            // A relationship alone that an administrator takes back leaves nothing.
            const leavesNothing = after.stored === undefined && after.edge === '[]';
            if (isNoChange) continue;
            owner = leavesNothing ? undefined : JSON.stringify(after) === left?.state ? left.by : one.by;
            continue;
          }
          if (owner !== undefined && owner !== one.by) {
            expect([one, status]).toEqual([one, expect.toSatisfy((code: number) => [403, 404, 409].includes(code))]);
            expect(after).toEqual(before);
            refused += 1;
          } else if (status < 300) {
            done += 1;
            owner = one.what === 'end' ? undefined : one.by;
            left = { state: JSON.stringify(after), by: one.by };
          }
        }
      }),
      { numRuns: 60 },
    );
    expect(refused).toBeGreaterThan(20);
    expect(done).toBeGreaterThan(5);
  });
});
