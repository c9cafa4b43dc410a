/**
 * The check whose path proves a decision that was recorded without one: it is asked again at the revision that the decision was made
 * at. The API asks it where a reader wants the path.
 */
import { selectCaveatContext } from '../decide/permission-checks.js';
import { parseDescribedParties } from '../model/acting.js';
import type { CheckRequest } from '../model/checks.js';
import type { DecisionRecord } from '../model/decision.js';
import type { Rules } from '../policy/load.js';

export interface PathCheck {
  readonly check: CheckRequest;
  /** The revision of the decision, as a ZedToken. */
  readonly revision: string;
}

/** @returns undefined where the permission was not held, so that no relationships grant it */
export function planPathCheck(record: DecisionRecord, rules: Pick<Rules, 'graph'>): PathCheck | undefined {
  const { rationale, request, facts } = record;
  const passed = rationale.steps.find(({ step, outcome }) => step === 'relationship' && outcome === 'pass');
  const { permission, revision } = passed?.evidence ?? {};
  const { user, agent } = parseDescribedParties(rationale.acting);
  const subject = rationale.acting?.mode === 'direct' ? agent : user;
  if (typeof permission !== 'string' || typeof revision !== 'string' || subject === undefined) return undefined;
  const resource = { type: request.resource.type, id: request.resource.id };
  // Without the facts a caveat lacks its context, and then the permission counts as not held.
  const context = selectCaveatContext({ context: facts?.said.context ?? {} }, rules, resource.type, permission);
  return { check: { resource, permission, subject, explain: true, context }, revision };
}
