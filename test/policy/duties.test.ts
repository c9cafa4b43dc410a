/** Duties: how they are written, what they fit, and what is left to do when several apply. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OBLIGATION_TYPES } from '../../src/model/obligations.js';
import {
  findDutyProblem,
  listDutyGaps,
  uniteDuties,
  withOccasion,
  parseDuties,
  type Duty,
} from '../../src/policy/duties.js';
import type { EntityType } from '../../src/policy/schema/action.js';
import type { Problem } from '../../src/diagnostics/diagnostics.js';
import { vocabularyOf } from './sources.js';

const said = ({ message, suggestion }: Problem): string =>
  suggestion === undefined ? message : `${message} (${suggestion})`;
const never = ({ message }: Problem): never => {
  throw new Error(message);
};

const { entityTypes } = vocabularyOf(`
  entity User;
  entity Doc {
    @class("pii") ssn?: String, @class("pii") salary?: Long, @class("pay") bonus?: Long, status?: String,
    address: { @class("pii") street: String, city: String },
    contacts?: Set<{ name: String, @class("phone") phone?: { @class("phone") home?: String, work?: String } }>,
  };
  entity Folder { status?: String };
  action "view" appliesTo { principal: [User], resource: [Doc, Folder] };
`);
const typeOf = (name: string): EntityType => {
  const type = entityTypes.get(name);
  if (type === undefined) throw new TypeError(`no type ${name}`);
  return type;
};
const DOC = typeOf('Doc');
const FOLDER = typeOf('Folder');

const mask = (argument: string): Duty => ({ kind: 'mask', argument });
const notify = (argument: string): Duty => ({ kind: 'notification', argument });
const visible = (argument: string): Duty => ({ kind: 'visible_fields', argument });

describe('parseDuties', () => {
  it.each<[string, Duty[]]>([
    ['mask:pii', [mask('pii')]],
    [' mask: pii , notification:owner,mask:status ', [mask('pii'), notify('owner'), mask('status')]],
    ['notification:https://acme.example/hook', [notify('https://acme.example/hook')]],
    ['mask:pii,review:audit', [mask('pii'), { kind: 'review', argument: 'audit' }]],
  ])('reads %j', (text, duties) => expect(parseDuties(text, never)).toEqual(duties));

  it.each([
    ['', '@duty "" is of no known kind: mask, visible_fields, notification, review'],
    ['mask:pii,', '@duty "" is of no known kind: mask, visible_fields, notification, review'],
    [
      '\u00a0mask:pii',
      '@duty "\u00a0mask:pii" is of no known kind: mask, visible_fields, notification, review (did you mean "mask"?)',
    ],
    [
      'mas:pii',
      '@duty "mas:pii" is of no known kind: mask, visible_fields, notification, review (did you mean "mask"?)',
    ],
    [
      'MASK:pii',
      '@duty "MASK:pii" is of no known kind: mask, visible_fields, notification, review (did you mean "mask"?)',
    ],
    [
      'mask :pii',
      '@duty "mask :pii" is of no known kind: mask, visible_fields, notification, review (did you mean "mask"?)',
    ],
    ['notify:owner', '@duty "notify" is now called "notification" (did you mean "notification"?)'],
    ['pii', '@duty "pii" is of no known kind: mask, visible_fields, notification, review'],
    ['toString:pii', '@duty "toString:pii" is of no known kind: mask, visible_fields, notification, review'],
    ['review', '@duty "review" needs an argument, as in "review:audit"'],
    ['mask', '@duty "mask" needs an argument, as in "mask:pii"'],
    ['notification:owner, mask: ', '@duty "mask" needs an argument, as in "mask:pii"'],
  ])('refuses %j', (text, message) => {
    const found: Problem[] = [];
    parseDuties(text, (problem) => found.push(problem));
    expect(found.map(said)).toEqual([message]);
  });
});

describe('dutyProblem', () => {
  it.each([
    [mask('pii'), [DOC]],
    [mask('status'), [DOC]],
    [mask('address'), [DOC]],
    [mask('address.city=hash'), [DOC]],
    [mask('contacts.phone.work'), [DOC]],
    [mask('phone'), [DOC]],
    [visible('pii'), [DOC]],
    [visible('contacts.name'), [FOLDER, DOC]],
    // One that it fits is enough: the policy may apply to several.
    [mask('pii'), [FOLDER, DOC]],
    [notify('owner'), [FOLDER]],
    [notify('hr@acme.example'), [DOC]],
  ])('finds none with %j', (duty, resources) => expect(findDutyProblem(duty, resources)).toBeUndefined());

  it.each([
    [mask('pi'), [DOC], '"Doc" has no attribute of @class("pi") and none called so (did you mean "pii"?)'],
    [mask('statsu'), [DOC], '"Doc" has no attribute of @class("statsu") and none called so (did you mean "status"?)'],
    [mask('pii'), [FOLDER], '"Folder" has no attribute of @class("pii") and none called so'],
    [mask('constructor'), [FOLDER], '"Folder" has no attribute of @class("constructor") and none called so'],
    [
      mask('address.stret'),
      [DOC],
      '"Doc" has no attribute of @class("address.stret") and none called so (did you mean "address.street"?)',
    ],
    [
      mask('ssn.of.the.other.side'),
      [DOC],
      '"Doc" has no attribute of @class("ssn.of.the.other.side") and none called so',
    ],
    [
      visible('statsu'),
      [DOC],
      '"Doc" has no attribute of @class("statsu") and none called so (did you mean "status"?)',
    ],
    [
      visible('status=hash'),
      [DOC],
      '"Doc" has no attribute of @class("status=hash") and none called so (did you mean "status"?)',
    ],
    [notify('the owner'), [DOC], '"the owner" is not the name of a recipient'],
    [notify('a'.repeat(129)), [DOC], `"${'a'.repeat(129)}" is not the name of a recipient`],
  ])('finds that %j does not fit', (duty, resources, problem) => {
    expect(said(findDutyProblem(duty, resources) ?? { message: 'none' })).toBe(problem);
  });
});

describe('obligationsOf', () => {
  const OCCASION = { topic: 'doc.read', body: 'agent:bot for user:ann: Read a document (doc:1)' };
  it.each<[string, Duty[], EntityType, object[]]>([
    ['nothing', [], DOC, []],
    [
      'a class: every field of it, those within records too',
      [mask('pii')],
      DOC,
      [{ id: 'mask', type: 'mask', properties: { fields: ['address.street', 'salary', 'ssn'] } }],
    ],
    ['a single field', [mask('status')], DOC, [{ id: 'mask', type: 'mask', properties: { fields: ['status'] } }]],
    [
      'several masks: all their fields, once',
      [mask('pay'), mask('pii'), mask('ssn'), mask('pay')],
      DOC,
      [{ id: 'mask', type: 'mask', properties: { fields: ['address.street', 'bonus', 'salary', 'ssn'] } }],
    ],
    [
      'both kinds, in a fixed order',
      [notify('owner'), mask('pay'), notify('audit'), notify('owner')],
      DOC,
      [
        { id: 'mask', type: 'mask', properties: { fields: ['bonus'] } },
        { id: 'notification', type: 'notification', properties: { to: ['audit', 'owner'], ...OCCASION } },
      ],
    ],
    ['a mask that this type has nothing for', [mask('pii')], FOLDER, []],
    [
      'a class within the records of a list',
      [mask('phone')],
      DOC,
      [{ id: 'mask', type: 'mask', properties: { fields: ['contacts.phone', 'contacts.phone.home'] } }],
    ],
  ])('unites %s', (_, duties, type, obligations) =>
    expect(withOccasion(uniteDuties([duties], type), () => OCCASION)).toEqual(obligations),
  );

  it.each<[string, Duty[][], EntityType, string[]]>([
    ['one policy’s together', [[visible('status'), visible('pii')]], DOC, ['address.street', 'salary', 'ssn', 'status']],
    ['of two what both show', [[visible('status'), visible('salary')], [visible('pii')]], DOC, ['salary']],
    ['of the whole and a part the part', [[visible('address'), visible('status')], [visible('address.city')]], DOC, ['address.city']],
    ['a whole without naming its parts', [[visible('address'), visible('address.city')]], DOC, ['address']],
    ['of two that have nothing in common nothing', [[visible('status')], [visible('salary')]], DOC, []],
    ['of what the type has nothing of nothing', [[visible('pii')]], FOLDER, []],
    ['nothing that is removed', [[visible('pii'), visible('status')], [mask('salary')], [mask('ssn=hash')]], DOC, ['address.street', 'ssn', 'status']],
    ['nothing within what is removed', [[visible('address.city'), visible('status'), mask('address')]], DOC, ['status']],
    ['a whole of which a part is removed', [[visible('address'), mask('address.city')]], DOC, ['address']],
  ])('shows %s', (_, duties, type, fields) => {
    const shown = uniteDuties(duties, type).find((o) => o.type === 'visible_fields');
    expect(shown).toEqual({ id: 'visible_fields', type: 'visible_fields', properties: { fields } });
  }); // prettier-ignore

  it('shows less for more policies', () => {
    const list = fc.array(fc.constantFrom('pii', 'pay', 'status', 'address', 'address.city', 'contacts', 'phone').map(visible), { minLength: 1 });
    const fields = (policies: readonly Duty[][]) => uniteDuties(policies, DOC).flatMap((o) => o.properties['fields'] as string[]);
    fc.assert(
      fc.property(fc.array(list, { minLength: 1 }), list, (policies, one) => {
        const before = fields(policies);
        for (const field of fields([...policies, one]))
          expect(before.some((of) => field === of || field.startsWith(`${of}.`)), field).toBe(true);
      }),
    );
  }); // prettier-ignore

  it('gives the same whatever the order and the repetitions, and more for more duties', () => {
    const duty = fc.oneof(
      fc.constantFrom('pii', 'pay', 'status', 'ssn', 'address').map(mask),
      fc.constantFrom('owner', 'audit', 'hr').map(notify),
    );
    const items = (duties: readonly Duty[]): string[] =>
      uniteDuties([duties], DOC).flatMap((o) => Object.values(o.properties).flat() as string[]);
    fc.assert(
      fc.property(fc.array(duty), fc.array(duty), (a, b) => {
        expect(uniteDuties([[...a, ...b, ...a]], DOC)).toEqual(uniteDuties([b, a], DOC));
        expect(items([...a, ...b])).toEqual(expect.arrayContaining(items(a)));
        expect(uniteDuties([a], DOC).every((o) => OBLIGATION_TYPES.includes(o.type))).toBe(true);
      }),
    );
  });
});

describe('listDutyGaps', () => {
  const unite = (...duties: Duty[]) => uniteDuties([duties], DOC);
  it.each<[string, Duty[], Duty[], object[]]>([
    ['a field that isn’t masked', [mask('ssn')], [mask('ssn'), mask('salary')], [{ duty: 'mask:salary' }]],
    ['a field that is masked less strictly', [mask('ssn=last4')], [mask('ssn=hash')], [{ duty: 'mask:ssn=hash', instead: 'mask:ssn=last4' }]],
    ['the rest of what is masked in part', [mask('address.city')], [mask('address')], [{ duty: 'mask:address' }]],
    ['more that is visible', [visible('status'), visible('ssn')], [visible('status')], [{ duty: 'visible_fields:status', instead: 'visible_fields:ssn, visible_fields:status' }]],
    ['no list of what is visible', [mask('ssn')], [visible('status')], [{ duty: 'visible_fields:status' }]],
    ['one who isn’t notified', [notify('audit')], [notify('owner'), notify('audit')], [{ duty: 'notification:owner' }]],
    ['nothing within what is masked', [mask('address')], [mask('address.city=hash')], []],
    ['nothing where less is visible', [visible('address.city')], [visible('address'), visible('status')], []],
  ])('names %s', (_, met, required, gaps) => {
    expect(listDutyGaps(unite(...met), unite(...required))).toEqual(gaps);
  }); // prettier-ignore

  it('finds none where there is more to do', () => {
    const duty = fc.oneof(
      fc.constantFrom('pii', 'pay', 'status', 'ssn=last4', 'address', 'address.city=hash').map(mask),
      fc.constantFrom('owner', 'audit').map(notify),
    );
    fc.assert(
      fc.property(fc.array(duty), fc.array(duty), (a, b) => {
        expect(listDutyGaps(unite(...a, ...b), unite(...a))).toEqual([]);
      }),
    );
  });
});
