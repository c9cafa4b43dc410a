/** The members of `context.history`: what an action carries of them, and how each slip is told at load. */
import { describe, expect, it } from 'vitest';
import { loadRules } from '../../../src/policy/load.js';
import { meetsCondition } from '../../../src/policy/schema/history.js';
import { POLICY, refusal, vocabularyOf, ZED } from '../sources.js';

const schemaOf = (history: string, amount = 'amount: Remit::Amount', rest = ''): string => `
  entity User;
  entity Agent;
  entity Colour enum ["red", "blue"];
  namespace HR {
    @object("doc")
    entity Paper { label: String, stars?: Long, open?: Bool, colour?: Colour, tags?: Set<String>, at?: { city?: String },
      @class("pii") ssn?: String, @class("pii") home?: { city?: String } };
    @permission("view") @amount("context.action.amount")
    action "pay" appliesTo { principal: [User, Agent], resource: [Paper], context: { action: { ${amount} } } };
    action "view" appliesTo { principal: [User, Agent], resource: [Paper], context: { ${rest}
      history: { ${history} } } };
  }
`;

describe('context.history', () => {
  it('is carried by the action, and known by the actions that it is about', () => {
    const { find, countedEventsOf } = vocabularyOf(
      schemaOf(`@count("HR::pay by user within PT1H") paid: Long, @count("HR::pay by user within PT2H") longer: Long,
        @sum("HR::pay amount EUR 2 by user within PT1H") sum: Long,
        @since("HR::pay where resource.label == x, no HR::view after, within PT1H") since: Bool`),
    );
    const [view, pay] = [find('view', 'doc')?.action, find('pay', 'doc')?.action];
    if (view === undefined || pay === undefined) throw new Error('no such actions');
    expect(Object.fromEntries(view.history.map(({ name, question }) => [name, question.text]))).toEqual({
      paid: 'count HR::pay by user within PT1H',
      longer: 'count HR::pay by user within PT2H',
      sum: 'sum HR::pay amount EUR 2 by user within PT1H',
      since: 'since HR::pay where resource.label == x no HR::view after within PT1H',
    });
    // What counts the same is kept once, for as long as the longest window reads it.
    expect(countedEventsOf(pay)).toMatchObject([
      { text: 'HR::pay by user', lastsMs: 7_200_000, units: ['EUR'] },
      { text: 'HR::pay where resource.label == x', lastsMs: 3_600_000, units: [] },
    ]);
    expect(countedEventsOf(view)).toMatchObject([{ text: 'HR::view', lastsMs: 3_600_000 }]);
    expect(pay.history).toEqual([]);
  });

  it.each([
    ['paid: Long', /:12.*context.history.paid must have one of @count, @sum, @happened, @since/s],
    ['@count("HR::pay within PT1H") @happened("HR::pay within PT1H") paid: Long', /must have one of/],
    ['@count("HR::pay within PT1H") paid: Bool', /context.history.paid must be a Long, as @count answers/],
    ['@happened("HR::pay within PT1H") paid: Long', /must be a Bool, as @happened answers/],
    ['@coutn("HR::pay within PT1H") paid: Long', /annotation "@coutn" is not known.*did you mean "@count"/s],
    ['@count("HR::pay by usr within PT1H") paid: Long', /:12.*@count counts by "usr".*did you mean "user"/s],
    [
      '@count("HR::pya within PT1H") paid: Long',
      /@count is about "HR::pya", which is no action.*did you mean "HR::pay"/s,
    ],
    ['@count("pay within PT1H") paid: Long', /is about "pay", which is no action/],
    ['@count("HR::pay within PT25H") paid: Long', /looks back 90000 s, and 86400 s are the most: set history.longest/],
    ['@count("HR::pay within PT1H where resource.lable == x") n: Long', /no such attribute.*did you mean "label"/s],
    [
      '@count("HR::pay within PT1H where resource.ssn == 1") n: Long',
      /:12.*resource.ssn, which is of the @class "pii"/s,
    ],
    ['@count("HR::pay within PT1H where resource.home.city == x") n: Long', /which is of the @class "pii"/],
    ['@count("HR::pay within PT1H where resource.stars == many") n: Long', /with "many", which is no value of it/],
    ['@count("HR::pay within PT1H where resource.open == yes") n: Long', /with "yes", which is no value of it/],
    ['@count("HR::pay within PT1H where resource.colour == green") n: Long', /with "green", which is no value of it/],
    ['@count("HR::pay within PT1H where resource.tags == x") n: Long', /can't be compared/],
    ['@since("HR::pay, no HR::gone after, within PT1H") n: Bool', /is about "HR::gone", which is no action/],
    ['@sum("HR::view amount EUR 2 within PT1H") n: Long', /adds up amounts, and "HR::view" has none: write @amount/],
  ])('with %s is refused with its place and a cure', (member, expected) => {
    expect(refusal(() => vocabularyOf(schemaOf(member)))).toMatch(expected);
  });

  it('adds up no amount that may be left out', () => {
    const member = '@sum("HR::pay amount EUR 2 within PT1H") n: Long';
    expect(refusal(() => vocabularyOf(schemaOf(member, 'amount?: Remit::Amount')))).toMatch(
      /context.action.amount of "HR::pay" is optional: declare it as required/,
    );
  });

  it('is a record of no more members than are answered for every question', () => {
    const members = Array.from({ length: 17 }, (_, i) => `@count("HR::pay within PT1H") m${i}: Long`).join(', ');
    expect(refusal(() => vocabularyOf(schemaOf(members)))).toMatch(/has 17 members; 16 are the most/);
    expect(refusal(() => vocabularyOf(schemaOf('}, now: { x: Long')))).toMatch(/context.now must be of type datetime/);
  });

  it('looks back as far as the configuration allows', () => {
    const sources = {
      relationships: { name: 'graph.zed', text: ZED },
      actions: [{ name: 'a.cedarschema', text: schemaOf('@count("HR::pay within P7D") n: Long') }],
      policies: [{ name: 'a.cedar', text: POLICY }],
    };
    expect(refusal(() => loadRules(sources))).toMatch(/looks back 604800 s/);
    expect(loadRules({ ...sources, longestHistoryMs: 7 * 86_400_000 }).vocabulary.actions).toHaveLength(2);
  });
});

describe('a condition', () => {
  const type = vocabularyOf(schemaOf('@count("HR::pay within PT1H") n: Long')).find('view', 'doc')?.resourceType;
  const meets = (path: string, value: string, values: object): boolean => {
    if (type === undefined) throw new Error('no such type');
    return meetsCondition({ path: path.split('.'), value }, type, values as Record<string, unknown>, (name) => name);
  };

  it('holds for the value of the attribute, by its type', () => {
    expect(meets('label', 'x', { label: 'x' })).toBe(true);
    expect(meets('label', 'true', { label: 'true' })).toBe(true);
    expect(meets('label', 'true', { label: true })).toBe(false);
    expect(meets('stars', '5', { stars: 5 })).toBe(true);
    expect(meets('stars', '5', { stars: '5' })).toBe(false);
    expect(meets('open', 'false', { open: false })).toBe(true);
    expect(meets('open', 'false', {})).toBe(false);
    expect(meets('label', 'null', { label: null })).toBe(false);
    expect(meets('colour', 'red', { colour: { type: 'Colour', id: 'red' } })).toBe(true);
    expect(meets('at.city', 'Rome', { at: { city: 'Rome' } })).toBe(true);
    expect(meets('at.city', 'Rome', { at: 'Rome' })).toBe(false);
    expect(meets('toString', 'x', {})).toBe(false);
  });
});
