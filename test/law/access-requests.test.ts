/** The law of offers: what a deny offers to ask for is accepted when it is asked for at once, and people can read it. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_SHOWN_BYTES } from '../../src/decide/shown-question.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { replayRecord } from '../../src/records/replay.js';
import { APPROVAL_FILES } from '../support/approval-world.js';
import { codes, DAYTIME, startFiles, type Answer, type Running } from '../support/sample.js';
import { assertUntilSeen } from '../support/until-seen.js';

const POLICIES = (APPROVAL_FILES['policies/all.cedar'] ?? '').replace(
  'unless { context has approval }',
  'unless { context has approval && !(context.request has ticket && context.request.ticket == "none") }',
);
/** Ids are long, too: encoded for SpiceDB they may have 1,024 bytes. */
const REPOSITORIES = ['api', 'r'.repeat(900), 'é'.repeat(160)];

let remit: Running;
beforeAll(async () => {
  remit = await startFiles(
    { ...APPROVAL_FILES, 'policies/all.cedar': POLICIES },
    { clients: [], limits: { agent_rate: 100_000 } },
  );
  remit.at(DAYTIME);
  for (const id of REPOSITORIES.slice(1))
    await remit.service.activePolicies.engine.write(
      [
        {
          operation: 'touch',
          relationship: {
            resource: { type: 'repository', id },
            relation: 'maintainer',
            subject: { type: 'user', id: 'ann' },
          },
        },
      ],
      'test',
    );
  return () => remit.stop();
});

/** Texts of up to twice what people are shown, with characters that JSON escapes and that take several bytes. */
const text = fc
  .tuple(fc.constantFrom('x', 'é', '"', '\n', '\0', '𝄞'), fc.nat(200), fc.constantFrom(1, 20, 100))
  .map(([unit, count, times]) => unit.repeat(count * times));
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.array(fc.record({ n: fc.double({ noNaN: true, noDefaultInfinity: true }), none: fc.constant(null) }), { maxLength: 300 }) },
); // prettier-ignore
const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.nat(200).map((length) => `n${'n'.repeat(length)}`),
);
const asked = fc.record({
  properties: fc.dictionary(
    name.filter((key) => key !== 'branch'),
    value,
    { maxKeys: 100, noNullPrototype: true },
  ),
  branch: fc.option(text, { nil: undefined }),
  ticket: fc.option(text, { nil: undefined }),
  purpose: fc.option(text, { nil: undefined }),
  resource: fc.constantFrom(...REPOSITORIES),
  more: fc.dictionary(fc.constantFrom('a', 'b', 'limit'), value, { noNullPrototype: true }),
  padded: fc.boolean(),
});

/** The same with members that are null, which are as if they weren't there. */
const isObject = (inside: unknown): inside is object =>
  typeof inside === 'object' && inside !== null && !Array.isArray(inside);
function padNulls(properties: object): object {
  const nulls = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`padding-${i}-of-a-long-name`, null]));
  const inner = Object.entries(properties).map(([key, inside]: [string, unknown]): [string, unknown] => [
    key,
    isObject(inside) ? padNulls(inside) : inside,
  ]);
  return Object.fromEntries([...inner, ...Object.entries(nulls)]);
}

describe('what a deny offers', () => {
  it('is accepted at once, and what people can’t read is not offered', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(
      asked,
      async ({ properties, branch, ticket, purpose, resource: id, more, padded }) => {
        const stated = { ...properties, ...(branch === undefined ? {} : { branch }) };
        const context = {
          ...more,
          ...(ticket === undefined ? {} : { ticket }),
          ...(purpose === undefined ? {} : { purpose }),
        };
        const question = {
          subject: { type: 'user', id: 'ann' },
          action: { name: 'merge', properties: stated },
          resource: { type: 'repository', id },
        };
        const token = await remit.mint({ user: 'ann', agent: 'coder', scope: 'code.write' });
        const answer = await remit.post('/access/v1/evaluation', { ...question, context: { ...context, token } });
        // What isn't well formed is refused before anything is decided.
        if (answer.statusCode !== 200) return;
        const denied = answer.json<Answer>();
        const offer = denied.context?.access_request;
        expect(codes(denied)).toContain('policy_forbid');
        expect(codes(denied).includes('approval_required')).toBe(offer !== undefined);
        // Of a very long question the facts aren't on record.
        expect(['same', 'unrecorded']).toContain(await replay(denied));
        const denial = { evaluation_id: denied.context?.evaluation_id, expires_at: offer?.expires_at ?? '2999-01-01T00:00:00Z' }; // prettier-ignore
        const action = { name: 'merge', properties: padded ? padNulls(stated) : stated };
        const response = await remit.post('/access/v1/requests', { ...question, action, context, denial });
        expect(response.statusCode, response.body).toBe(offer === undefined ? 400 : 202);
        if (offer === undefined) {
          seen.add('too long');
          return;
        }
        const task = await remit.service.approvals.find(response.json<{ task: { id: string } }>().task.id);
        const shown = JSON.stringify(task?.question).length;
        expect(shown).toBeLessThanOrEqual(MAX_SHOWN_BYTES);
        seen.add(shown > MAX_SHOWN_BYTES / 4 ? 'long' : 'short');
        await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
      },
    );
    await assertUntilSeen(
      () => fc.assert(property, { numRuns: 60 }),
      () => ['too long', 'long', 'short'].filter((kind) => !seen.has(kind)),
    );
  }, 120_000);
});

/** Decides the record again, which has no more of the question than what can decide. */
async function replay({ context }: Answer): Promise<ReturnType<typeof replayRecord>['kind']> {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  const record = parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record');
  return replayRecord(record, remit.service.activePolicies.rules).kind;
}
