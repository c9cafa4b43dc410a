/** What is kept: allows alone, as long as the service permits and the caller wants, for equal questions of one credential. */
import { createClient, type CacheOptions, type Question } from 'remit-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answerJson, StandIn } from '../../support/stand-in.js';

const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const question: Question = {
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read', properties: { a: 1, b: [{ c: 2, d: 3 }] } },
  resource: { type: 'employee', id: 'erin' },
  context: { token: 't1' },
};
const at = (ms: number): string => new Date(1_000_000 + ms).toISOString();
const answer = (validMs: number, more: object = {}, decision = true) =>
  answerJson({ decision, context: { id: 'd', evaluated_at: at(0), valid_until: at(validMs), ...more } });
const connect = (cache?: CacheOptions, more: object = {}) =>
  createClient({ url: service.url, key: 'k', timeoutMs: 20_000, ...(cache === undefined ? {} : { cache }), ...more });
const HOUR = 3_600_000;
async function count(client: ReturnType<typeof connect>, ...questions: Question[]): Promise<number> {
  service.requests.length = 0;
  for (const asked of questions) await client.can(asked);
  return service.requests.length;
}

it('nothing is kept unless it is asked for', async () => {
  service.react(answer(HOUR));
  expect(await count(connect(), question, question)).toBe(2);
});

it('an allow is kept, and says so', async () => {
  service.react(answer(HOUR));
  const client = connect({ maxAgeMs: HOUR });
  expect(await count(client, question, question, question)).toBe(1);
  expect(await client.can(question)).toMatchObject({ allowed: true, isCached: true, id: 'd' });
});

it.each([
  ['a deny', answer(HOUR, {}, false)],
  ['what can not be kept', answer(0)],
  ['what has ended', answer(-1)],
  ['what says no end', answer(HOUR, { valid_until: null })],
  ['what says an end and no beginning', answer(HOUR, { evaluated_at: null })],
  ['what says an end that is none', answer(HOUR, { valid_until: 'tomorrow' })],
])('%s is not kept', async (_name, reaction) => {
  service.react(reaction);
  expect(await count(connect({ maxAgeMs: HOUR }), question, question)).toBe(2);
});

it('another question, credential or set of obligations finds nothing', async () => {
  service.react(answer(HOUR));
  const client = connect({ maxAgeMs: HOUR });
  const { subject, resource } = question;
  const others: Question[] = [
    { ...question, subject: { ...subject, id: 'bob' } },
    { ...question, action: 'read' },
    { ...question, action: { name: 'update', properties: { a: 1, b: [{ c: 2, d: 3 }] } } },
    { ...question, resource: { ...resource, properties: { x: 1 } } },
    { ...question, context: { token: 't2' } },
    { ...question, context: { token: 't1', agent: 'x' } },
    // Some values are sent as others, and no two that are sent as different ones are equal.
    ...[new Date(1), new Date(2), null, { b: 1 }, [['b', 1]]].map((at) => ({
      ...question,
      context: { token: 't1', at },
    })),
  ];
  expect(await count(client, question, ...others, ...others, question)).toBe(1 + others.length);
  const token = { now: 'first' };
  const switching = createClient({ url: service.url, cache: { maxAgeMs: HOUR }, credential: () => ({ token: token.now, expiresAt: 0 }) }); // prettier-ignore
  expect(await count(switching, question)).toBe(1);
  token.now = 'second';
  expect(await count(switching, question)).toBe(1);
});

it('equal questions are equal, however their members are ordered', async () => {
  service.react(answer(HOUR));
  const { context, resource, subject } = question;
  const same = {
    context,
    resource,
    action: { properties: { b: [{ d: 3, c: 2 }], a: 1 }, name: 'read' },
    subject,
  } as Question;
  expect(await count(connect({ maxAgeMs: HOUR }), question, same)).toBe(1);
});

it('no more are kept than were asked for', async () => {
  service.react(answer(HOUR));
  const client = connect({ maxAgeMs: HOUR, maxEntries: 2 });
  const ids = ['a', 'b', 'c'].map((id) => ({ ...question, resource: { type: 'employee', id } }));
  expect(await count(client, ...ids)).toBe(3);
  expect(await count(client, ...ids.slice(1))).toBe(0);
  expect(await count(client, ...ids.slice(0, 1))).toBe(1);
});

it('an obligation is carried out each time, and one that fails denies', async () => {
  service.react(answer(HOUR, { obligations: [{ id: 'n', type: 'note', properties: {} }] }));
  let notes = 0;
  const note = (): void => {
    if ((notes += 1) === 3) throw new Error('no');
  };
  const client = connect({ maxAgeMs: HOUR }, { obligations: { note } });
  expect(await count(client, question, question)).toBe(1);
  expect(await client.can(question)).toMatchObject({ allowed: false, code: 'obligation_failed' });
  expect(notes).toBe(3);
});

it('what is kept is no caller’s to change, and keeps its masks', async () => {
  const obligations = [{ id: 'm', type: 'mask', properties: { fields: ['ssn'] } }];
  service.react(answer(HOUR, { obligations, note: { list: [1] } }));
  const client = connect({ maxAgeMs: HOUR }, { obligations: { mask: true } });
  for (const isCached of [false, true, true]) {
    const evaluation = await client.can(question);
    expect(evaluation).toMatchObject({ allowed: true, isCached, obligations, context: { note: { list: [1] } } });
    expect(evaluation.mask({ ssn: 1, name: 'E' })).toEqual({ name: 'E' });
    const own = evaluation as unknown as { obligations: { properties: { fields: string[] } }[]; context: typeof evaluation.context }; // prettier-ignore
    own.obligations[0]?.properties.fields.pop();
    own.obligations.pop();
    Object.assign(own.context, { note: undefined, obligations: [] });
  }
});
