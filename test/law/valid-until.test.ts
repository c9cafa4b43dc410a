/**
 * `valid_until`: a decision asked again before it, with nothing written meanwhile, is the same. What changes by itself is
 * the clock that policies read, the token's validity, and relationships that expire: those that grant, and those whose end
 * gives back what they took.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckAnswer, CheckRequest } from '../../src/model/checks.js';
import { DAYTIME } from '../support/sample.js';
import { rulesOf } from '../policy/sources.js';
import { entity, SmallWorld } from './small-world.js';

const ZED = `use expiration

definition user {}
definition agent {
  relation delegator: user with expiration
}
definition doc {
  relation reader: user with expiration
  relation banned: user with expiration
  permission read = reader
  permission publish = reader - banned
}
`;
const schema = (action: string): string => `entity User;
entity Agent;
entity Doc { @class("pii") author?: String };
@scope("docs.read")
action "read" appliesTo { principal: [User, Agent], resource: [Doc], context: {
  can: { publish: Bool }, ${action}
} };
`;
const PERMIT = '@id("all") permit (principal, action, resource);';
/** Policies by what they depend on; the times are minutes after the hour at which the decision is asked. */
const POLICIES = {
  nothing: '',
  local: '@id("local") forbid (principal, action, resource) when { context.local.minute >= 2 };',
  clock: '@id("clock") forbid (principal, action, resource) when { context.now >= datetime("2030-03-04T10:02:00Z") };',
  duty: '@id("duty") @duty("mask:pii") permit (principal, action, resource) when { context.now >= datetime("2030-03-04T10:01:30Z") };',
  publishers: '@id("publishers") forbid (principal, action, resource) when { context.can.publish };',
  readers: '@id("readers") forbid (principal, action, resource) unless { context.can.publish };',
} as const;
type PolicyName = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as PolicyName[];

const worlds = new Map<PolicyName, SmallWorld>();
beforeAll(async () => {
  for (const name of NAMES) {
    const rules = rulesOf({
      zed: ZED,
      schema: schema('now: datetime, local: Remit::Local'),
      policies: `${PERMIT}\n${POLICIES[name]}\n`,
    });
    worlds.set(name, await SmallWorld.open(rules));
  }
});
afterAll(() => Promise.all([...worlds.values()].map((world) => world.close())));

const after = (seconds: number): Date => new Date(DAYTIME.getTime() + seconds * 1000);

/** When each relationship ends, in seconds after the first question; undefined: never. */
interface Ends {
  readonly delegator: number | undefined;
  readonly reader: number | undefined;
  readonly banned: number | undefined;
}
const end = fc.option(
  fc.integer({ min: -60, max: 600 }).map((tenths) => tenths / 2),
  { nil: undefined },
);
const ends: fc.Arbitrary<Ends> = fc.record({ delegator: end, reader: end, banned: end });

/** SpiceDB as it is documented: a relationship counts until its end, and a yes says until when it is known to hold. */
function answerBy(relationships: Ends, { permission }: CheckRequest, now: Date): CheckAnswer {
  const holds = (seconds: number | undefined): boolean => seconds === undefined || after(seconds) > now;
  const { delegator, reader, banned } = relationships;
  const granted = permission === 'delegator' ? delegator : reader;
  const isHeld = holds(granted) && (permission !== 'publish' || !holds(banned));
  if (!isHeld) return { result: 'no', revision: 'r' };
  return {
    result: 'yes',
    revision: 'r',
    ...(granted === undefined ? {} : { until: after(granted).toISOString().replace('.000Z', 'Z') }),
  };
}

describe('a decision is the same until its valid_until', () => {
  it.each(NAMES)('where policies depend on: %s', async (name) => {
    const world = worlds.get(name);
    if (world === undefined) throw new TypeError(name);
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(
        ends,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        async (relationships, share) => {
          const state = {
            relationships: [],
            entities: [entity('agent', 'a')],
            check: (request: CheckRequest, now: Date) => answerBy(relationships, request, now),
          };
          await world.ask({ ...state, now: DAYTIME }, {});
          const token = await world.token({ user: 'ann', agent: 'a', scope: 'docs.read' });
          const first = await world.ask({ ...state, now: DAYTIME }, { token });
          const validUntil = Date.parse(first.valid_until);
          expect(validUntil).toBeGreaterThanOrEqual(DAYTIME.getTime());
          if (validUntil === DAYTIME.getTime()) return;
          kept += 1;
          // Both the last moment and one in between: what ends too early ends at the last.
          for (const moment of [
            validUntil - 1,
            DAYTIME.getTime() + Math.floor((validUntil - DAYTIME.getTime()) * share),
          ]) {
            const again = await world.ask({ ...state, now: new Date(moment) }, { token });
            expect([again.decision, again.obligations]).toEqual([first.decision, first.obligations]);
          }
        },
      ),
      { numRuns: 150 },
    );
    // What reads the time is never kept; neither is a no that an expiration may end.
    expect(kept > 0).toBe(name === 'nothing' || name === 'readers');
  });
});
