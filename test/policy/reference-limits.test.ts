/** References are bounded where policies are read: what would need too many entities is refused, with its place. */
import { describe, expect, it } from 'vitest';
import { MAX_REACHED_ENTITIES, MAX_REFERENCE_DEPTH } from '../../src/policy/reference-limits.js';
import { marked, refusal, rulesOf } from './sources.js';

const SCHEMA = `
entity Team { locked?: Bool };
entity User { manager?: User, team?: Team, level?: Long };
entity Agent;
entity Doc { owner: User };
action "view" appliesTo { principal: [User, Agent], resource: [Doc] };
`;
const load = (policies: string) => rulesOf({ schema: SCHEMA, policies });
/** Reads the level of the owner's manager, of that one's manager, and so on. */
const managers = (count: number): string => `resource.owner has ${'manager.'.repeat(count)}level`;
/** As many entities as wanted, by whichever of them are named. */
const named = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, i) => `Team::"${i + from}" has locked`).reduce((all, one) => `${all} || ${one}`);
const policy = (id: string, condition: string): string =>
  `@id("${id}")\nforbid (principal is User, action, resource) when { ${condition} };\n`;

describe('references', () => {
  it('are followed as far as the bound', () => {
    const farthest = managers(MAX_REFERENCE_DEPTH - 1);
    expect(() => load(policy('far', farthest))).not.toThrow();
    // Whether there is another is read of the one before it.
    expect(() => load(policy('there', farthest.replace('level', 'manager')))).not.toThrow();
  });

  it('are refused beyond it, naming file, line and way', () => {
    const { text, line } = marked(
      `${policy('near', 'resource.owner has level')}‹here›${policy('far', managers(MAX_REFERENCE_DEPTH))}`,
    );
    const message = refusal(() => load(text));
    expect(message).toContain(`policies.cedar:${line}`);
    const way = `resource.owner${'.manager'.repeat(MAX_REFERENCE_DEPTH)}`;
    expect(message).toContain(`follows ${MAX_REFERENCE_DEPTH + 1} references, one behind the other (${way})`);
    expect(message).toContain('in an attribute that is nearer');
  });

  it('lead to as many entities as the bound, for one kind of question, and to no more', () => {
    const half = MAX_REACHED_ENTITIES / 2;
    const policies = policy('first', named(half)) + policy('second', named(half, half));
    expect(() => load(policies)).not.toThrow();
    const { text, line } = marked(`${policies}‹here›${policy('third', 'resource.owner has level')}`);
    const message = refusal(() => load(text));
    expect(message).toContain(`policies.cedar:${line}`);
    expect(message).toContain(`needs ${MAX_REACHED_ENTITIES + 1} entities behind references`);
    // The same entity counts once, and those of another kind of question don't count.
    expect(() => load(policies + policy('again', named(half)))).not.toThrow();
    const agents = '@id("agents") forbid (principal is Agent, action, resource) when { resource.owner has level };';
    expect(() => load(policies + agents)).not.toThrow();
  });
});
