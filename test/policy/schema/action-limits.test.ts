/** `@limit` and `@amount`: what an action carries of them, and how each slip is told at load. */
import { describe, expect, it } from 'vitest';
import { refusal, vocabularyOf } from '../sources.js';

const schemaOf = (annotations: string, context = 'action: { amount: Remit::Amount, note?: String }'): string => `
  entity User;
  entity Agent;
  @object("doc")
  entity Paper;
  ${annotations}
  action "view" appliesTo { principal: [User, Agent], resource: [Paper], context: { ${context} } };
`;

describe('@limit and @amount', () => {
  it('are carried by the action', () => {
    const { find } = vocabularyOf(
      schemaOf('@limit("5 per P1D by user; 9.50 EUR per P1M") @amount("context.action.amount")'),
    );
    expect(find('view', 'doc')?.action).toMatchObject({
      limits: [{ text: '5 per P1D by user' }, { text: '9.50 EUR per P1M calendar' }],
      amount: ['action', 'amount'],
    });
    expect(vocabularyOf(schemaOf('')).find('view', 'doc')?.action).toMatchObject({ limits: [], amount: undefined });
  });

  it('may be found below other members, with decimals that can be left out', () => {
    const context = 'request: { order: { total: { value: Long, unit: String, decimals?: Long } } }';
    const { find } = vocabularyOf(schemaOf('@amount("context.request.order.total")', context));
    expect(find('view', 'doc')?.action.amount).toEqual(['request', 'order', 'total']);
  });

  it.each([
    ['@limit("5 a day")', undefined, /:6.*@limit "5 a day" is no limit/s],
    ['@limit("5 per P1D by usr")', undefined, /:6.*counts by "usr".*did you mean "user"/s],
    ['@limit("5 EUR per P1D")', undefined, /:6.*nothing says which: write @amount/s],
    ['@limits("5 per P1D")', undefined, /annotation "@limits" is not known.*did you mean "@limit"/s],
    ['@amount("action.amount")', undefined, /must name a member of context.action or context.request/],
    ['@amount("context.now")', 'now: datetime', /must name a member of context.action or context.request/],
    [
      '@amount("context.action.amuont")',
      undefined,
      /no context.action.amuont; declare it as Remit::Amount.*did you mean "amount"/s,
    ],
    ['@amount("context.request.amount")', undefined, /the action's context has no context.request;/],
    ['@amount("context.action.note")', undefined, /is of another type: declare it as Remit::Amount/],
    ['@amount("context.action.note.amount")', undefined, /has no context.action.note.amount/],
    ['@amount("context.action.toString")', undefined, /has no context.action.toString/],
    ['@amount("context.action.amount")', 'action: { amount: Long }', /is of another type/],
    ['@amount("context.action.amount")', 'action: { amount: { value: Long, unit?: String } }', /is of another type/],
  ])('%s is refused with its place and a cure', (annotations, context, expected) => {
    expect(refusal(() => vocabularyOf(schemaOf(annotations, context)))).toMatch(expected);
  });
});
