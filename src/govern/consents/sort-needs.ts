/** Sorts what an agent needs into what its user has consented to, what is missing, and what no consent could allow. */
import type { AccessType, AuthorizationDetail } from '../../model/acting.js';
import type { Consent } from '../../model/consents.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import type { Rules } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import { formatUid } from '../../policy/schema/uid.js';
import { unwrapUid } from '../../policy/scope-match.js';
import { formatCanonicalJson } from '../../runtime/canonical-json.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { listDetailResources } from '../../tokens/authorization-details.js';
import { detailsCover } from '../../tokens/detail-narrowing.js';
import { readConsentState } from './consent-state.js';
import { listNamedActions } from './requested-consent.js';

/** One action that is needed: the detail that names it and no other. */
export interface NeededItem {
  readonly detail: AuthorizationDetail;
  /** The titles by which the schema has it: one for each type of resource that it is about. */
  readonly titles: readonly string[];
}

export interface SortedNeeds {
  readonly have: readonly NeededItem[];
  readonly missing: readonly NeededItem[];
  readonly never: readonly NeededItem[];
}

/** The terms under which all of it is needed. */
export interface NeededTerms {
  readonly agent: EntityRef;
  readonly access: AccessType;
  readonly purpose?: string | undefined;
}

/** @param consents of the user for the agent, ended ones as well */
export function sortNeeds(
  needs: readonly AuthorizationDetail[],
  terms: NeededTerms,
  consents: readonly Consent[],
  rules: Rules,
  now: Date,
): SortedNeeds {
  const given = consents.filter((consent) => isGiven(consent, terms, rules, now)).map(({ details }) => details);
  const sorted: Record<keyof SortedNeeds, NeededItem[]> = { have: [], missing: [], never: [] };
  for (const detail of splitNeeds(needs)) {
    const kind = isRuledOut(detail, terms.agent, rules)
      ? 'never'
      : given.some((details) => detailsCover(details, [detail]))
        ? 'have'
        : 'missing';
    sorted[kind].push(describeNeed(detail, rules));
  }
  return sorted;
}

export function describeNeed(detail: AuthorizationDetail, rules: Rules): NeededItem {
  return { detail, titles: [...new Set(listNamedActions(detail, rules).map(({ action }) => action.title))] };
}

/** A detail for each action, each once. */
export function splitNeeds(needs: readonly AuthorizationDetail[]): AuthorizationDetail[] {
  const split = needs.flatMap((need) =>
    [...new Set(need.actions)].map((action) => ({ detail: { ...need, actions: [action] }, need, action })),
  );
  const keyOf = ({ need, action }: (typeof split)[number]): string => `${describeOthers(need)} ${action}`;
  return [...new Map(split.map((item) => [keyOf(item), item.detail])).values()];
}

/** Tells apart what a need says beside its actions. */
const describeOthers = memoizeByObject(({ actions: _actions, ...others }: AuthorizationDetail) =>
  formatCanonicalJson(others),
);

/** Whether nothing has to be asked for what the consent covers: it is in force, and under these terms. */
function isGiven(consent: Consent, { access, purpose }: NeededTerms, rules: Rules, now: Date): boolean {
  return (
    readConsentState(consent, now, rules) === 'active' &&
    Date.parse(consent.starts) <= now.getTime() &&
    consent.access === access &&
    consent.confirm === 'never' &&
    consent.when === undefined &&
    (consent.purpose === undefined || consent.purpose === purpose)
  );
}

/** Whether forbids rule out all that the detail names by their scopes alone: what a condition says of it isn't known yet. */
function isRuledOut(detail: AuthorizationDetail, agent: EntityRef, rules: Rules): boolean {
  const forbids = [...rules.policies.values()].filter(
    ({ json, duties, remedies }) =>
      json.effect === 'forbid' && json.conditions.length === 0 && duties === undefined && remedies.length === 0,
  );
  return listNamedActions(detail, rules).every((named) => {
    const open = forbids.filter(
      ({ json }) => isAgentInScope(json.principal, agent, rules) && isActionInScope(json.action, named),
    );
    if (open.some(({ json }) => isTypeInScope(json.resource, named))) return true;
    const resources = listDetailResources(detail);
    const ownTexts = resources.filter(
      (resource) => typeof resource !== 'string' || resource.startsWith(`${named.resourceType.object}:`),
    );
    return (
      ownTexts.length > 0 && ownTexts.every((text) => open.some((policy) => isResourceInScope(policy, text, rules)))
    );
  });
}

function isAgentInScope(scope: Policy['json']['principal'], agent: EntityRef, { vocabulary }: Rules): boolean {
  if (scope.op === 'All') return true;
  if (scope.op === 'is' && !('in' in scope)) return vocabulary.objectOf(scope.entity_type) === agent.type;
  if (scope.op !== '==' || !('entity' in scope)) return false;
  const uid = unwrapUid(scope.entity);
  return vocabulary.objectOf(uid.type) === agent.type && uid.id === agent.id;
}

function isActionInScope(scope: Policy['json']['action'], { action }: ActionOnResource): boolean {
  if (scope.op === 'All') return true;
  const entities = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : [];
  const groups = (scope.op === 'in' ? [action.uid, ...action.groups] : [action.uid]).map(formatUid);
  return entities.some((entity) => groups.includes(formatUid(unwrapUid(entity))));
}

function isTypeInScope(scope: Policy['json']['resource'], { resourceType }: ActionOnResource): boolean {
  if (scope.op === 'All') return true;
  return scope.op === 'is' && !('in' in scope) && scope.entity_type === resourceType.name;
}

/** Whether the policy is about just the resource that the detail names: `calendar:sealed`. */
function isResourceInScope({ json: { resource: scope } }: Policy, named: unknown, { vocabulary }: Rules): boolean {
  if (typeof named !== 'string' || scope.op !== '==' || !('entity' in scope)) return false;
  const uid = unwrapUid(scope.entity);
  return formatRef({ type: vocabulary.objectOf(uid.type), id: uid.id }) === named;
}
