/**
 * Step 3: do the token's scopes and authorization details cover this action on this resource, and does the graph
 * still say that the user has delegated to this agent? Both must hold; either is a person's way to take it back.
 */
import type { Acting, AuthorizationDetail } from '../model/acting.js';
import { refText, type EntityRef } from '../model/ids.js';
import { deny, pass, unknown } from '../model/outcome.js';
import { reason, type Reason } from '../model/reasons.js';
import { checkKey } from '../model/relationships.js';
import type { AskedCheck } from '../engines/spicedb/port.js';
import type { Remedy } from '../rules/remedies.js';
import { DELEGATOR, type Action } from '../rules/vocabulary.js';
import { withContext, type JudgingStep } from './step.js';

export const delegation: JudgingStep = {
  step: 'delegation',

  asks: (e) => {
    const edge = delegatorCheck(e.acting);
    return edge === undefined ? {} : { checks: [withContext(e, edge)] };
  },

  judge: (e, facts) => {
    const { acting, on } = e;
    if (acting.mode === 'human') return pass({ mode: 'human' });
    const reasons: Reason[] = [];
    const remedies: Remedy[] = [];
    // Without a token there are no scopes: the client that vouches for the agent answers for what it may do.
    const scoped = acting.grant !== undefined && on.action.scope !== undefined;
    const evidence: Record<string, unknown> = scoped ? { scope: on.action.scope } : {};

    if (acting.grant !== undefined) {
      const { scopes, details } = acting.grant;
      if (on.action.scope !== undefined && !scopes.includes(on.action.scope)) {
        reasons.push(reason('scope_insufficient', `The token lacks the scope "${on.action.scope}".`));
        remedies.push({ type: 'scope', scope: on.action.scope });
      }
      const why = detailsProblem(details, on.action, e.question.resource);
      if (why !== undefined) reasons.push(reason('authorization_details_mismatch', why));
    }

    const edge = delegatorCheck(acting);
    if (edge !== undefined) {
      const answer = facts.check(edge);
      evidence['delegation'] = checkKey(edge);
      if (answer.result === 'no') {
        reasons.push(
          reason(
            'delegation_missing',
            `${refText(edge.subject)} has not delegated to ${refText(edge.resource)}, or no longer.`,
          ),
        );
      }
      if (answer.result === 'conditional')
        reasons.push(reason('context_missing', `The delegation needs context: ${answer.missing.join(', ')}.`));
      if (answer.result === 'unanswerable') reasons.push(reason('graph_unanswerable', answer.message));
      if (answer.result === 'unknown' && reasons.length === 0) return unknown(answer.fault, evidence);
      if (answer.result === 'yes') evidence['revision'] = answer.revision;
    }
    return reasons.length === 0 ? pass(evidence) : deny(reasons, evidence, remedies);
  },
};

function delegatorCheck(acting: Acting): AskedCheck | undefined {
  if (acting.mode !== 'delegated' || acting.agent === undefined || acting.user === undefined) return undefined;
  return { resource: acting.agent, permission: DELEGATOR, subject: acting.user };
}

/** Our own type of detail; every other type grants nothing here. */
const DETAIL_TYPE = 'remit';
/** Members that a covering entry may have: one that says more than is understood here covers nothing. */
const UNDERSTOOD = new Set(['type', 'actions', 'resources', 'identifier']);

/** Why no entry covers the action on the resource; undefined if one does, or if none is needed. */
function detailsProblem(
  details: readonly AuthorizationDetail[] | undefined,
  action: Action,
  resource: EntityRef,
): string | undefined {
  if (details === undefined) {
    return action.scope === undefined
      ? 'The action has no scope, so only authorization_details could cover it.'
      : undefined;
  }
  const problems = details.map((detail, i) => {
    const why = entryProblem(detail, action, resource);
    return why === undefined ? undefined : `authorization_details[${i}]${why}`;
  });
  if (problems.includes(undefined)) return undefined;
  return problems[0] === undefined
    ? 'authorization_details is empty, so it covers nothing.'
    : `${problems.join('; ')}.`;
}

/** Members of an entry are all required (RFC 9396 leaves their meaning to the API). */
function entryProblem(detail: AuthorizationDetail, action: Action, resource: EntityRef): string | undefined {
  if (detail.type !== DETAIL_TYPE) return `.type is not "${DETAIL_TYPE}"`;
  const strange = Object.keys(detail).find((member) => !UNDERSTOOD.has(member));
  if (strange !== undefined) return `.${strange} is not understood`;
  if (detail.actions?.includes(action.name) !== true) return `.actions does not name "${action.name}"`;
  const text = refText(resource);
  const covered = detail.resources?.some((r) => r === text || r === `${resource.type}:*`) ?? true;
  if (!covered) return `.resources does not name the resource`;
  if (detail.identifier !== undefined && detail.identifier !== text && detail.identifier !== resource.id)
    return `.identifier is of another resource`;
  return undefined;
}
