/** Cures for what Cedar finds wrong with a policy, where Remit knows better than Cedar what was meant. */
import { findNearestWord } from '../diagnostics/suggest.js';
import { CONTEXT_MEMBERS, type ContextMember } from './schema/check-action.js';
import { formatUid } from './schema/uid.js';
import type { Vocabulary } from './schema/vocabulary.js';

/** @returns a suggestion that takes the place of Cedar's; undefined where Cedar's stands */
export function suggestCure(message: string, vocabulary: Vocabulary): string | undefined {
  const action = /unrecognized action `(.+)`$/.exec(message)?.[1];
  if (action !== undefined) return suggestAction(action, vocabulary);
  const member = /\battribute `([^`.]+)` in context for /.exec(message)?.[1];
  return member === undefined ? undefined : suggestContextMember(member, vocabulary);
}

/**
 * Suggests an action for one that Cedar doesn't know. Cedar's own suggestion takes the first by the alphabet of those
 * that are near, and counts two letters that change places as two slips.
 */
function suggestAction(name: string, { actions }: Vocabulary): string | undefined {
  const actionNames = new Set(actions.flatMap(({ uid, groups }) => [uid, ...groups]).map(formatUid));
  return suggestWord(name, actionNames);
}

/**
 * Suggests how to get a member of the context that the action doesn't declare. Cedar's own suggestion is one that is
 * declared, however far it is from what was written.
 */
function suggestContextMember(name: string, { userObject, typesByObject }: Vocabulary): string {
  const supplied = CONTEXT_MEMBERS.find((member) => member === name);
  if (supplied === undefined)
    return (
      suggestWord(name, CONTEXT_MEMBERS) ??
      `declare it under \`request\` in the action's context and read \`context.request.${name}\`, where clients state it`
    );
  const userType = typesByObject.get(userObject ?? '')?.[0]?.name ?? 'User';
  return `declare \`${DECLARATIONS[supplied](userType)}\` in the action's context`;
}

/** The declaration of each member that Remit supplies, as an action's context has it. */
const DECLARATIONS: Readonly<Record<ContextMember, (userType: string) => string>> = {
  user: (userType) => `user: ${userType}`,
  delegation: () => 'delegation: Remit::Delegation',
  can: () => 'can: { <permission>: Bool }',
  agent_can: () => 'agent_can: { <permission>: Bool }',
  now: () => 'now: datetime',
  local: () => 'local: Remit::Local',
  consent: () => 'consent?: Remit::Consent',
  approval: () => 'approval?: Remit::Approval',
  budget: () => 'budget?: Remit::Budget',
  history: () => 'history: { @count("<action> by user within PT1H") <member>: Long }',
  claims: () => 'claims: { <claim>: <type> }',
  action: () => 'action: { <property>: <type> }',
  request: () => 'request: { <member>: <type> }',
};

function suggestWord(word: string, candidates: Iterable<string>): string | undefined {
  const nearestWord = findNearestWord(word, candidates);
  return nearestWord === undefined ? undefined : `did you mean \`${nearestWord}\`?`;
}
