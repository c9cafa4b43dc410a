/** A question as authorization details are held against it: those of its token, and those of the delegation it rests on. */
import { REMIT_DETAIL_TYPE, type AccessType } from '../model/acting.js';
import type { CoverageRequest } from '../tokens/authorization-details.js';
import type { BoundQuestion, CoveredQuestion } from './bound-question.js';
import { buildDetailChecks } from './permission-checks.js';
import type { Facts } from './step.js';

/** @param types the types of detail that are understood beside Remit's own */
export function buildCoverageRequest(
  bound: CoveredQuestion,
  { check }: Pick<Facts, 'check'>,
  types: readonly string[] = [],
): CoverageRequest {
  const { question, target, rules, acting } = bound;
  const audience =
    acting.grant?.audience ?? (question.caller.kind === 'client' ? question.caller.client.audience : undefined);
  return {
    action: target.action.name,
    permission: target.action.permission,
    resource: question.resource,
    isDefinition: (word) => rules.graph.hasDefinition(word),
    locations: audience === undefined ? [] : [audience],
    types,
    attributes: {
      action: question.action.properties,
      context: question.context,
      resource: question.resource.properties,
    },
    findHolding: (permission) => {
      const resources = { type: question.resource.type, permission };
      const [request] = buildDetailChecks(bound, [{ type: REMIT_DETAIL_TYPE, resources }]);
      return request === undefined ? undefined : check(request);
    },
    purpose: getStatedPurpose(bound),
    access: getAccess(bound),
  };
}

/** The access of the question: the user is there where a client vouches for the agent. */
export function getAccess({ acting }: Pick<BoundQuestion, 'acting'>): AccessType {
  return acting.grant?.access ?? 'online';
}

/** The request's purpose, unvalidated; without one, the token's. */
export function getStatedPurpose({ question, acting }: Pick<CoveredQuestion, 'question' | 'acting'>): unknown {
  return Object.hasOwn(question.context, 'purpose') ? question.context['purpose'] : acting.grant?.purpose;
}
