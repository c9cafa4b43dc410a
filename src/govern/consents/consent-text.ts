/**
 * Renders the text that a user reads before they consent, and its hash: what they said yes to. The hash is also of what the
 * schemas say of the actions at that time, since titles may stay as they are while what they stand for changes. The words
 * of others (an agent's name and purpose, ids) stand in quotes and can't look like Remit's own.
 */
import type { AccessType, AuthorizationDetail } from '../../model/acting.js';
import type { ConsentPair, ConsentTerms } from '../../model/consents.js';
import type { Limit, StatedLimit } from '../../model/limits.js';
import { formatQuantity } from '../../model/quantities.js';
import { formatRef } from '../../model/ids.js';
import type { Rules } from '../../policy/load.js';
import type { Action } from '../../policy/schema/action.js';
import { readStatedLimits } from '../../policy/schema/limits-format.js';
import { formatCanonicalJson } from '../../runtime/canonical-json.js';
import { sha256 } from '../../runtime/sha256.js';
import { describeConsentBasis } from './consent-basis.js';
import { listNamedActions } from './requested-consent.js';

/** The language that texts are rendered in. */
export const TEXT_LOCALE = 'en';

export interface RenderedText {
  readonly text: string;
  /** The hash of the text together with what it rests on. */
  readonly text_sha256: string;
  readonly locale: string;
}

/** The terms as they are asked for: what the user is still to choose is left out. */
export interface OfferedTerms extends Omit<ConsentTerms, 'confirm' | 'starts'> {
  readonly confirm?: ConsentTerms['confirm'] | undefined;
  /** undefined: at once. */
  readonly starts?: string | undefined;
  readonly untilEnded?: boolean;
}

export interface OfferingParties extends ConsentPair {
  /** The stored name of the agent; undefined where it has none. */
  readonly agentName: string | undefined;
}

const ACCESS_TEXTS: Readonly<Record<AccessType, string>> = {
  online: 'while you are there, and not in the background',
  background: 'in the background, and not while you are there',
};
const EFFECT_TEXTS: Readonly<Record<Action['effect'], string>> = { read: 'reads', write: 'changes', delete: 'deletes' };
const EFFECT_RANKS: Readonly<Record<Action['effect'], number>> = { delete: 0, write: 1, read: 2 };
/** The members of a detail that a line of its own tells. */
const TOLD_MEMBERS = ['type', 'actions', 'resources', 'purpose', 'access'];

export function renderConsentText(parties: OfferingParties, terms: OfferedTerms, rules: Rules): RenderedText {
  const { agent, user, agentName } = parties;
  const who = agentName === undefined ? quote(formatRef(agent)) : `${quote(agentName)} (${quote(formatRef(agent))})`;
  const lines = [
    `The agent ${who} asks to act for ${quote(formatRef(user))},`,
    `${ACCESS_TEXTS[terms.access]}.`,
    ...(terms.purpose === undefined ? [] : [`For this purpose, in its own words: ${quote(terms.purpose)}`]),
    ...(terms.task === undefined ? [] : [`As a part of: ${quote(terms.task)}`]),
    ...terms.details.flatMap((detail, i) => renderDetail(detail, i, rules)),
    ...(terms.confirm === 'each' ? ['You are asked each time.'] : []),
    ...(terms.when === undefined ? [] : [`Only where the application states: ${quoteJson(terms.when)}`]),
    ...renderLimits(terms.limits ?? []),
    ...(terms.starts === undefined ? [] : [`From ${terms.starts} on.`]),
    ...(terms.ends === undefined ? [] : [`Until ${terms.ends}.`]),
    ...(terms.untilEnded === true ? ['Until you end it.'] : []),
  ];
  const text = `${lines.join('\n')}\n`;
  const basis = describeConsentBasis(terms.details, rules);
  return { text, text_sha256: sha256(formatCanonicalJson([text, basis])), locale: TEXT_LOCALE };
}

/** Renders one detail. Actions that delete come first. */
function renderDetail(detail: AuthorizationDetail, index: number, rules: Rules): string[] {
  const actions = [...listNamedActions(detail, rules)].sort(
    (a, b) => EFFECT_RANKS[a.action.effect] - EFFECT_RANKS[b.action.effect],
  );
  const others = Object.entries(detail).filter(([name]) => !TOLD_MEMBERS.includes(name));
  return [
    `${index + 1}.`,
    ...actions.map(
      ({ action, resourceType }) =>
        `- ${quote(action.title)} (${EFFECT_TEXTS[action.effect]}; ${quote(action.name)} of any ${quote(resourceType.object)} below)`,
    ),
    `  on: ${detail.resources === undefined ? 'everything of these kinds' : renderResources(detail)}`,
    ...(detail.purpose === undefined ? [] : [`  only for the stated purpose ${quote(detail.purpose)}`]),
    ...(others.length === 0 ? [] : [`  only where: ${quoteJson(Object.fromEntries(others))}`]),
  ];
}

const PERIOD_TEXTS: Readonly<Record<Limit['period'], string>> = {
  PT1H: 'hour',
  P1D: 'day',
  P1W: 'week',
  P1M: 'month',
  total: '',
};

/** A line for each limit: it is counted for all that the consent is for together. */
function renderLimits(limits: readonly StatedLimit[]): string[] {
  return readStatedLimits(limits).map(({ bound, period, window, zone }) => {
    const most = bound.unit === undefined ? `${formatQuantity(bound)} times` : quote(formatQuantity(bound));
    if (period === 'total') return `At most ${most} in all.`;
    const name = PERIOD_TEXTS[period];
    return `At most ${most} ${window === 'sliding' ? `within any ${name}` : `in each ${name} by the clock of ${quote(zone)}`}.`;
  });
}

function renderResources({ resources = [] }: AuthorizationDetail): string {
  return [resources]
    .flat()
    .map((named) =>
      typeof named === 'string'
        ? quote(named)
        : `every ${quote(named.type)} on which you hold ${quote(named.permission)} at the time`,
    )
    .join(', ');
}

function quote(text: string): string {
  return quoteJson(text);
}

/** JSON in which no character is invisible, changes the direction of the text or begins a line. */
function quoteJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u3164\u115f\u1160\uffa0]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
