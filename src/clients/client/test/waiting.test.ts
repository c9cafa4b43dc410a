/** What happens to a question while it waits: its author goes on with the object, gives it up, or needs another proof. */
import { createClient, dpopProof, type ClientOptions, type Question } from 'remit-client';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { collect } from '../../support/collect.js';
import { mintBoundToken } from '../../support/mint.js';
import { answerJson, answerText, cutAnswer, cutConnection, StandIn, type Reaction } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const question: Question = {
  subject: { type: 'user', id: 'alice' },
  action: 'read',
  resource: { type: 'employee', id: 'erin' },
};
const connect = (more: Partial<ClientOptions> = {}) =>
  createClient({
    url: service.url,
    timeoutMs: 20_000,
    ...(more.credential === undefined ? { key: 'k' } : {}),
    ...more,
  });

describe('a question that is changed while it waits', () => {
  interface Asked {
    readonly resource: { readonly id: string };
    readonly context: { readonly note: string };
  }
  interface Received extends Partial<Asked> {
    readonly evaluations?: readonly Asked[];
    readonly records?: readonly { readonly type: string; readonly id: string }[];
  }
  /** Allows what is about `good`, and says what each answer is about. */
  const allowGood: Reaction = (request, response) => {
    const { evaluations, records, ...single } = JSON.parse(request.body) as Received;
    const decide = ({ resource, context }: Asked): object => ({
      decision: resource.id === 'good' && context.note === 'good',
      context: { id: resource.id },
    });
    const shown = (single as Asked).context;
    const body =
      evaluations !== undefined
        ? { evaluations: evaluations.map(decide) }
        : records !== undefined
          ? { records: shown.note === 'good' ? records.map((record) => ({ ...record, properties: {} })) : [] }
          : request.path.includes('/search/')
            ? { results: shown.note === 'good' ? [{ type: 'employee', id: 'x' }] : [] }
            : decide(single as Asked);
    answerJson(body)(request, response);
  };
  const ids = fc.array(fc.constantFrom('good', 'bad'), { minLength: 2, maxLength: 4 });

  it('is asked as it was: each answer is that of its own question', async () => {
    service.react(allowGood);
    const client = connect({ credential: async () => Promise.resolve('k') });
    await fc.assert(
      fc.asyncProperty(ids, async (each) => {
        const reused = { ...question, resource: { type: 'employee', id: '' }, context: { note: '' } };
        const asked = each.map((id) => {
          reused.resource.id = id;
          reused.context.note = id;
          const { subject, action, context } = reused;
          return Promise.all([
            client.can(reused).then(({ allowed }) => allowed),
            client.canAll([reused]).then(([first]) => first?.allowed),
            collect(client.search.resources(reused)).then(({ length }) => length === 1),
            client
              .filter({ subject, action, context, records: [{ type: 'employee', id: 'x' }] })
              .then(({ records }) => records.length === 1),
          ]);
        });
        reused.subject = { type: 'user', id: 'mallory' };
        expect(await Promise.all(asked)).toEqual(each.map((id) => Array<boolean>(4).fill(id === 'good')));
      }),
      { numRuns: 20 },
    );
    expect(service.requests.filter(({ body }) => body.includes('mallory'))).toEqual([]);
  });

  it('can’t be asked where JSON hasn’t what it says', async () => {
    const context: Record<string, unknown> = { amount: 1n };
    await expect(connect().can({ ...question, context })).rejects.toMatchObject({ kind: 'setup', code: 'options' });
    const inherited = Object.create({ type: 'employee', id: 'erin' }) as Question['resource'];
    await expect(connect().can({ ...question, resource: inherited })).rejects.toMatchObject({ at: 'resource.type' });
  });
});

describe('a call that was given up', () => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): void => void unhandled.push(error);
  beforeEach(() => process.on('unhandledRejection', listen));
  afterEach(() => process.off('unhandledRejection', listen));

  it.each<[string, Partial<ClientOptions>]>([
    ['a credential', { credential: () => Promise.reject(new Error('the issuer is down')) }],
    ['the metadata', { discovery: true }],
    ['the key of a cache', { credential: () => Promise.reject(new Error('down')), cache: { maxAgeMs: 1_000 } }],
  ])('before it began doesn’t end the process by what fails later: %s', async (_name, options) => {
    // Its own service, since the metadata is asked for again after the call is over.
    const broken = new StandIn();
    await broken.start();
    broken.react(cutConnection);
    const { url } = broken;
    const asked = connect({ url, timeoutMs: 200, ...options }).can(question, { signal: AbortSignal.abort() });
    await expect(asked).rejects.toMatchObject({ code: 'aborted' });
    // The same failure, as another call meets it, comes after that of the first.
    await expect(connect({ url, timeoutMs: 200, ...options }).can(question)).rejects.toMatchObject({
      kind: 'unavailable',
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await broken.stop();
    expect(unhandled).toEqual([]);
  });
});

describe('a proof in a question', () => {
  const makeKeys = () => crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  const readProofs = (): unknown[] =>
    service.requests.map(({ body }) => {
      const { context } = JSON.parse(body) as { readonly context: { readonly proof?: { readonly jwt?: string } } };
      return context.proof?.jwt;
    });
  let count = 0;
  const proof = (token: string) => ({ jwt: `${token}-${(count += 1)}`, method: 'POST', url: 'https://agent.example' });
  beforeEach(() => (count = 0));
  const allow = answerJson({ decision: true, results: [], records: [], capabilities: [] });

  it.each([answerText('{}', 502), answerText('{}', 503), cutConnection, cutAnswer])(
    'is made anew for each attempt, by a function (%#)',
    async (failure) => {
      service.reactInTurn(failure, failure, allow);
      expect(await connect().can({ ...question, context: { token: 't', proof } })).toMatchObject({ allowed: true });
      expect(readProofs()).toEqual(['t-1', 't-2', 't-3']);
    },
  );

  it('is made anew for each page, and in every other call', async () => {
    const client = connect();
    const context = { token: 't', proof };
    const page = { page: { next_token: 'next' }, results: [{ name: 'read' }] };
    service.reactInTurn(answerJson(page), answerText('{}', 503), answerJson({ results: [] }));
    await collect(client.search.actions({ ...question, context }));
    expect(readProofs()).toEqual(['t-1', 't-2', 't-3']);
    service.reactInTurn(answerText('{}', 503), answerJson({ capabilities: [] }));
    await client.capabilities(context).catch(() => undefined);
    expect(readProofs()).toEqual(['t-4', 't-5']);
    service.reactInTurn(answerText('{}', 503), allow);
    const { subject } = question;
    await client.filter({ subject, action: 'read', context, records: [] }, { idempotencyKey: 'k' });
    expect(readProofs()).toEqual(['t-6', 't-7']);
  });

  it('that was made before isn’t sent twice, so that a lost answer is no deny', async () => {
    const stated = { ...question, context: { token: 't', proof: proof('t') } };
    for (const failure of [answerText('{}', 503), cutConnection, cutAnswer]) {
      service.reactInTurn(failure, answerJson({ decision: false, context: { reason: 'proof_replayed' } }));
      await expect(connect().can(stated)).rejects.toMatchObject({ kind: 'unavailable' });
      expect(readProofs()).toEqual(['t-1']);
      service.reactInTurn(failure, answerJson({ evaluations: [{ decision: false }, { decision: false }] }));
      await expect(connect().canAll([question, stated])).rejects.toMatchObject({ kind: 'unavailable' });
      expect(service.requests.length).toBe(1);
    }
    // What was turned away for its number has not been read.
    service.reactInTurn(answerText('{}', 429), allow);
    expect(await connect().can(stated)).toMatchObject({ allowed: true });
    const byCertificate = { ...question, context: { token: 't', proof: { certificate: 'c' } } };
    service.reactInTurn(answerText('{}', 503), allow);
    expect(await connect().can(byCertificate)).toMatchObject({ allowed: true });
  });

  it('is asked for each time, whatever was kept: the next caller of the same token may have none', async () => {
    service.react(answerJson({ decision: true, context: { evaluated_at: '2026-01-01T00:00:00Z', valid_until: '2026-01-01T01:00:00Z' } })); // prettier-ignore
    const client = connect({ cache: { maxAgeMs: 60_000 } });
    const context = { token: 't', proof };
    for (const _ of [1, 2]) expect(await client.can({ ...question, context })).toMatchObject({ isCached: false });
    expect(await client.can({ ...question, context: { token: 't' } })).toMatchObject({ isCached: false });
    expect(service.requests.length).toBe(3);
  });

  it('that can not be had is no allow, and tells nothing', async () => {
    service.react(allow);
    const failing = () => Promise.reject(new Error('s3cret'));
    const asked = connect().can({ ...question, context: { token: 't', proof: failing } });
    await expect(asked).rejects.toMatchObject({ kind: 'unavailable', code: 'credential' });
    await expect(connect().can({ ...question, context: { proof } })).rejects.toMatchObject({ code: 'options' });
    expect(service.requests.length).toBe(0);
  });

  it('is taken by the service, also where the answer to the first attempt was lost', async () => {
    const { url, key } = inject('service');
    const keys = await makeKeys();
    const token = await mintBoundToken(keys.publicKey);
    let lost = 0;
    const client = createClient({
      url,
      key,
      timeoutMs: 20_000,
      obligations: { mask: true },
      fetch: async (...request) => {
        const answer = await fetch(...request);
        if ((lost += 1) > 1) return answer;
        await answer.arrayBuffer();
        throw new TypeError('the connection broke');
      },
    });
    const context = { token, proof: dpopProof(keys, 'https://agent.example/run') };
    expect(await client.can({ ...question, context })).toMatchObject({ allowed: true });
    expect(lost).toBe(2);
  });
});
