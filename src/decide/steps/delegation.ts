/**
 * Step 3: do the token's scopes and authorization details cover this action on this resource, is its session alive, does
 * the graph still say that the user has delegated to this agent, and is each agent of the chain a stored one? All must
 * hold; each is a way to take the delegation back.
 */
import { listAgents, type ActingParties, type Grant } from '../../model/acting.js';
import { describeRef } from '../../model/ids.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import { checkKey } from '../../graph/relationship-text.js';
import type { CheckRequest } from '../../model/checks.js';
import { scopeRemedy } from '../../policy/remedies.js';
import type { Remedy } from '../../model/remedies.js';
import type { FaultCode } from '../../model/faults.js';
import { checkDetailsCoverage } from '../../tokens/authorization-details.js';
import { type Facts, type JudgingStep } from '../step.js';
import { buildDetailChecks, withCaveatContext } from '../permission-checks.js';
import type { BoundQuestion } from '../bound-question.js';
import { buildCoverageRequest, getStatedPurpose } from '../coverage-request.js';
import { judgeDelegationBounds } from '../delegation-bounds.js';
import { buildDelegationCheck, listDelegationPairs } from '../delegation-links.js';

export const delegationStep: JudgingStep = {
  step: 'delegation',

  needs: (bound) => {
    const edge = buildDelegationCheck(bound.acting);
    return {
      checks: [
        ...(edge === undefined ? [] : [withCaveatContext(bound, edge)]),
        ...buildDetailChecks(bound, bound.acting.grant?.details),
      ],
      entities: listAgents(bound.acting),
      delegations: listDelegationPairs(bound, undefined),
    };
  },

  judge: (bound, facts) => {
    const { acting, target } = bound;
    if (acting.mode === 'human') return pass({ mode: 'human' });
    const reasons: Reason[] = [];
    const remedies: Remedy[] = [];
    // Without a token there are no scopes: the client that vouches for the agent answers for what it may do.
    const scoped = acting.grant !== undefined && target.action.scope !== undefined;
    const evidence: Record<string, unknown> = scoped ? { scope: target.action.scope } : {};
    const grantFault =
      acting.grant === undefined ? undefined : judgeGrant(bound, acting.grant, facts, reasons, remedies);
    const edge = buildDelegationCheck(acting);
    const reasonsBefore = reasons.length;
    const graphFault = edge === undefined ? undefined : judgeGraphDelegation(edge, facts, evidence, reasons);
    // What isn't delegated has no bounds.
    const boundsFault =
      reasons.length > reasonsBefore ? undefined : judgeDelegationBounds(bound, facts, evidence, reasons);
    const entitiesFault = judgeAgents(acting, facts, reasons);
    if (reasons.length > 0) return deny(reasons, evidence, remedies);
    const fault = grantFault ?? graphFault ?? boundsFault ?? entitiesFault;
    return fault === undefined ? pass(evidence) : unknown(fault, evidence);
  },
};

/**
 * Judges whether the graph says that the user has delegated to the agent, directly or over agents that passed it on. Adds
 * to `evidence` and `reasons`; returns the fault of what could not be answered.
 */
function judgeGraphDelegation(
  edge: CheckRequest,
  { check, delegationPath }: Facts,
  evidence: Record<string, unknown>,
  reasons: Reason[],
): FaultCode | undefined {
  const answer = check(edge);
  if (delegationPath?.kind === 'fault') return delegationPath.fault;
  if (delegationPath?.kind === 'path') {
    const { path, ended } = delegationPath;
    evidence['path'] = path;
    if ('revision' in answer) evidence['revision'] = answer.revision;
    const message = `The revocation ${ended?.id ?? ''} (${ended?.selector ?? ''}) covers an agent that passed the delegation on.`;
    if (ended?.what === 'token') reasons.push(reason('delegation', 'token_revoked', message));
    if (ended?.what === 'session') reasons.push(reason('delegation', 'session_ended', message));
    return undefined;
  }
  evidence['delegation'] = checkKey(edge);
  switch (answer.result) {
    case 'yes':
      evidence['revision'] = answer.revision;
      return undefined;
    case 'unknown':
      return answer.fault;
    case 'unanswerable':
      reasons.push(reason('delegation', 'graph_unanswerable', answer.message));
      return undefined;
    case 'conditional':
      reasons.push(
        reason('delegation', 'context_missing', `The delegation needs context: ${answer.missing.join(', ')}.`),
      );
      return undefined;
    case 'no':
      reasons.push(
        delegationPath?.kind === 'too_many'
          ? reason(
              'delegation',
              'graph_unanswerable',
              'The delegation may have been passed on over more agents than are followed.',
            )
          : reason(
              'delegation',
              'delegation_missing',
              `${describeRef(edge.subject)} has not delegated to ${describeRef(edge.resource)}, or no longer.`,
            ),
      );
      return undefined;
  }
}

/**
 * Adds a reason for each agent that isn't stored: a suspension is an attribute, and without its entity an agent would have
 * none. Returns the fault where the entity store could not answer.
 */
function judgeAgents(
  acting: ActingParties,
  { entity, entitiesFault }: Facts,
  reasons: Reason[],
): FaultCode | undefined {
  if (entitiesFault !== undefined) return entitiesFault;
  for (const agent of listAgents(acting).filter((ref) => entity(ref) === undefined)) {
    const place = `/v1/entities/${agent.type}/${encodeURIComponent(agent.id)}`;
    const message = `${describeRef(agent)} has no stored entity: store one with PUT ${place}, or under "entities" in the world file.`;
    reasons.push(reason('delegation', 'agent_unknown', message));
  }
  return undefined;
}

/**
 * Adds to `reasons` and `remedies` what the grant lacks to cover the question. Returns the fault for which it can't be told
 * whether a detail covers it.
 */
function judgeGrant(
  bound: BoundQuestion,
  grant: Grant,
  facts: Facts,
  reasons: Reason[],
  remedies: Remedy[],
): FaultCode | undefined {
  const { action } = bound.target;
  const purpose = getStatedPurpose(bound);
  if (grant.sessionEnded) reasons.push(reason('delegation', 'session_ended'));
  if (grant.purpose !== undefined && purpose !== grant.purpose) reasons.push(reason('delegation', 'purpose_mismatch'));

  const detailCoverage =
    grant.details === undefined
      ? undefined
      : checkDetailsCoverage(grant.details, buildCoverageRequest(bound, facts, grant.detailTypes));
  const scopes = new Set(grant.scopes);
  const missingScopes: string[] = [];
  if (grant.access === 'online' || detailCoverage?.background === true) {
    if (action.scope !== undefined && !scopes.has(action.scope)) missingScopes.push(action.scope);
  } else if (action.backgroundScope === undefined) {
    reasons.push(
      reason(
        'delegation',
        'authorization_details_mismatch',
        'The action has no scope, so only a detail could allow background use.',
      ),
    );
  } else if (!scopes.has(action.backgroundScope)) missingScopes.push(action.backgroundScope);
  if (missingScopes.length > 0) {
    const why = grant.access === 'background' ? ': it is for background use' : '';
    reasons.push(
      reason('delegation', 'scope_insufficient', `The token lacks the scope "${missingScopes.join(' ')}"${why}.`),
    );
    remedies.push(scopeRemedy(missingScopes));
  }

  if (detailCoverage === undefined && action.scope === undefined)
    reasons.push(
      reason(
        'delegation',
        'authorization_details_mismatch',
        'The action has no scope, so only authorization_details could cover it.',
      ),
    );
  if (detailCoverage?.fault !== undefined) return detailCoverage.fault;
  if (detailCoverage?.problem !== undefined)
    reasons.push({
      ...reason('delegation', 'authorization_details_mismatch', detailCoverage.problem),
      ...(detailCoverage.unstated ? { unstated: true } : {}),
    });
  return undefined;
}
