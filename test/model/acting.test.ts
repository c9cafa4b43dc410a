/** The parties of a decision are shown by the ids that people wrote, in evidence and messages alike. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeActing } from '../../src/model/acting.js';
import { decodeId, describeRef, encodeId, findIdProblem } from '../../src/model/ids.js';
import { entity, SmallWorld } from '../law/small-world.js';
import { rulesOf } from '../policy/sources.js';

const id = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => findIdProblem(text) === undefined);

describe('a party', () => {
  it('is shown by its id as it was written', () => {
    fc.assert(
      fc.property(id, id, id, (user, agent, earlier) => {
        const acting = describeActing({
          mode: 'delegated',
          user: { type: 'user', id: user },
          agent: { type: 'agent', id: agent },
          chain: [{ type: 'agent', id: earlier }],
          grant: undefined,
        });
        expect(acting).toEqual({
          mode: 'delegated',
          user: `user:${user}`,
          agent: `agent:${agent}`,
          chain: [`agent:${earlier}`],
        });
      }),
    );
  });

  it('that another application named in SpiceDB is shown as it stands there', () => {
    const foreign = decodeId('YW5u==');
    expect(describeRef({ type: 'user', id: foreign })).toBe(`user:${encodeId(foreign)}`);
    expect(describeRef({ type: 'user', id: foreign })).toBe('user:YW5u==');
  });
});

describe('a decision about a mail address', () => {
  let world: SmallWorld;
  beforeAll(async () => {
    world = await SmallWorld.open(
      rulesOf({
        zed: `definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user
  permission read = reader
}
`,
        schema: `entity User; entity Agent { kind: String }; entity Doc { status: String };
@scope("docs.read") action "read" appliesTo { principal: [Agent], resource: [Doc] };
`,
        policies: '@id("all") permit (principal, action, resource) when { resource.status == "final" };\n',
      }),
    );
    return () => world.close();
  });
  const ask = (relationships: readonly string[], stored: readonly string[]) =>
    world.ask(
      { relationships, entities: [...stored.map((name) => entity('agent', name, { kind: 'x' }))] },
      {
        subject: { type: 'user', id: 'ann@example.com', properties: {} },
        resource: { type: 'doc', id: 'plan 1.txt', properties: {} },
      },
      { user: 'ann@example.com', agent: 'bot@example.com', scope: 'docs.read' },
    );
  const DELEGATED = 'agent:bot=40example=2Ecom#delegator@user:ann=40example=2Ecom';

  it('names it as it was written, whatever is said of it', async () => {
    const answers = [
      await ask([], []),
      await ask([DELEGATED], ['bot@example.com']),
      await ask([DELEGATED, 'doc:plan=201=2Etxt#reader@user:ann=40example=2Ecom'], ['bot@example.com']),
    ];
    const messages = answers.flatMap(({ reasons }) => reasons.map(({ code, message }) => `${code}: ${message}`));
    expect(messages.join('\n')).not.toMatch(/=[0-9A-F]{2}/);
    expect(messages.join('\n')).toContain('user:ann@example.com');
    expect(messages.join('\n')).toContain('doc:plan 1.txt');
    expect(answers.map(({ rationale }) => rationale.acting)).toEqual(
      answers.map(() => ({
        mode: 'delegated',
        user: 'user:ann@example.com',
        agent: 'agent:bot@example.com',
        chain: [],
      })),
    );
    for (const { rationale } of answers)
      expect(rationale.steps.find(({ step }) => step === 'binding')?.evidence).toEqual({
        subject: 'user:ann@example.com',
      });
  });
});
