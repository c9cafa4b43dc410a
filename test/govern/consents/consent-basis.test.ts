/** A consent whose actions have come to mean something else is suspended, and says what has changed. */
import { beforeAll, expect, it } from 'vitest';
import { describeConsentBasis, findBasisChange } from '../../../src/govern/consents/consent-basis.js';
import { renderConsentText } from '../../../src/govern/consents/consent-text.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';
import { CONSENT_FILES } from '../../support/consent-world.js';

function rulesOf(change: (text: string) => string = (text) => text): Rules {
  const file = (name: string) => ({ name, text: change(CONSENT_FILES[name] ?? '') });
  return loadRules({
    relationships: file('schema.zed'),
    actions: [file('schema.cedarschema')],
    policies: [file('policies/all.cedar')],
  });
}

let rules: Rules;
beforeAll(() => {
  rules = rulesOf();
});

const PARTIES = { user: { type: 'user', id: 'ann' }, agent: { type: 'agent', id: 'helper' }, agentName: undefined };
const DETAILS = [{ type: 'remit', actions: ['read', 'send'], resources: ['calendar:ann', 'mailbox:ann'] }];

it.each<[string, string, string, string | undefined]>([
  ['nothing', '', '', undefined],
  ['a comment', 'definition calendar {', 'definition calendar { // of people\n', undefined],
  ['another action', '@title("List a calendar")', '@title("List calendars")', undefined],
  ['a condition of a policy', 'has expires_at', 'has granted_at', undefined],
  ['the permission', '@permission("view") @scope("calendar.read") @title("Read', '@permission("owner") @scope("calendar.read") @title("Read', 'the permission of "read" on "calendar" has changed'],
  ['the title', '@title("Read a calendar")', '@title("Read all")', 'the title of "read" on "calendar" has changed'],
  ['the effect', '@title("Read a calendar") @effect("read")', '@title("Read a calendar") @effect("write")', 'the effect of "read" on "calendar" has changed'],
  ['the class', '@class("private")', '@class("secret")', 'the class of "read" on "calendar" has changed'],
  ['the definition', 'permission view = owner + guest', 'permission view = owner', 'the definition of "read" on "calendar" has changed'],
  ['the action itself', 'action "send" appliesTo', '@permission("send") action "post" appliesTo', '"send" on "mailbox" is no longer there'],
])('after a change of %s', (_what, before, after, expected) => {
  const basis = describeConsentBasis(DETAILS, rules);
  const changed = rulesOf((text) => text.replace(before, after));
  expect(findBasisChange({ basis, details: DETAILS }, changed)).toBe(expected);
  expect(findBasisChange({ basis, details: DETAILS }, rules)).toBeUndefined();
  // What the user reads stands for it: its hash changes where a consent would be suspended, and only there.
  const read = (by: Rules) => renderConsentText(PARTIES, { details: DETAILS, access: 'online' }, by).text_sha256;
  expect(read(changed) === read(rules)).toBe(expected === undefined);
}); // prettier-ignore

it('an action that gets a further type of resource is suspended only where the consent is for that, too', () => {
  const wider = rulesOf((text) =>
    text
      .replace('resource: [Calendar], context: { consent?', 'resource: [Calendar, Mailbox], context: { consent?')
      .replace('permission send = owner', 'permission send = owner\n  permission view = owner'),
  );
  const everything = [{ type: 'remit', actions: ['read'] }];
  const ofCalendars = [{ type: 'remit', actions: ['read'], datatypes: ['calendar'] }];
  const findChange = (details: typeof everything): string | undefined =>
    findBasisChange({ basis: describeConsentBasis(details, rules), details }, wider);
  expect(findChange(ofCalendars)).toBeUndefined();
  expect(findChange(everything)).toBe('"read" on "mailbox" has been added');
});
