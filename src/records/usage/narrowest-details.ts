/**
 * The narrowest authorization details that cover all that was really done. Each covers the actions that were done to just its
 * resources: together they cover what was done, and what is taken out of one is no longer covered.
 */
import { countDetailBytes, MAX_DETAIL_BYTES, MAX_DETAILS_BYTES } from '../../govern/detail-limits.js';
import { REMIT_DETAIL_TYPE, type AuthorizationDetail } from '../../model/acting.js';
import { formatRef } from '../../model/ids.js';
import { formatCanonicalJson } from '../../runtime/canonical-json.js';
import { groupAgentUses, type AgentUse } from './agent-use.js';
import { proposeConstraints } from './narrowest-constraints.js';

/** A detail can name no more, nor longer ones: beyond that it names all of the type. */
const MAX_NAMED_RESOURCES = 100;
const MAX_RESOURCE_TEXT_LENGTH = 1024;

/** A detail that an agent's rights could be narrowed to, together with the others of the same agent and user. */
export interface ProposedDetail {
  /** The user, as `type:id`; undefined for what the agent does for itself. */
  readonly user: string | undefined;
  readonly agent: string;
  readonly resourceType: string;
  readonly detail: AuthorizationDetail & { readonly actions: readonly string[] };
}

type PatternDetail = ProposedDetail['detail'] & { readonly resources: readonly string[] };

/** Proposes the details of each agent and user, by their names. */
export function proposeDetails(uses: readonly AgentUse[]): ProposedDetail[] {
  const done = uses.filter(({ outcome }) => outcome === 'done');
  return groupAgentUses(done, ({ user, agent }) => [user ?? '', agent]).flatMap((ofAgent) =>
    proposeAgentDetails(ofAgent),
  );
}

/** @param uses of one agent for one user */
function proposeAgentDetails(uses: readonly AgentUse[]): ProposedDetail[] {
  const proposed = groupAgentUses(uses, ({ resourceType }) => [resourceType]).flatMap((ofType) =>
    mergeActions(groupAgentUses(ofType, ({ action }) => [action]).map(describePattern)).map((detail) => ({
      user: ofType[0]?.user,
      agent: ofType[0]?.agent ?? '',
      resourceType: ofType[0]?.resourceType ?? '',
      detail,
    })),
  );
  return widenToFit(proposed);
}

/** @param uses of one action on one type */
function describePattern(uses: readonly AgentUse[]): PatternDetail {
  const { action = '', resourceType = '' } = uses[0] ?? {};
  const constraints = proposeConstraints(uses.map(({ properties }) => properties));
  return {
    type: REMIT_DETAIL_TYPE,
    actions: [action],
    resources: nameResources(uses) ?? [`${resourceType}:*`],
    ...(constraints === undefined ? {} : { constraints }),
    ...(uses.every(({ access }) => access === 'online') ? { access: 'online' as const } : {}),
  };
}

/** @returns undefined where they can't be named */
function nameResources(uses: readonly AgentUse[]): string[] | undefined {
  const names = new Set<string>();
  for (const { resources } of uses) {
    if (resources === undefined) return undefined;
    for (const resource of resources) names.add(formatRef(resource));
    if (names.size > MAX_NAMED_RESOURCES) return undefined;
  }
  const isNameable = [...names].every((name) => name.length <= MAX_RESOURCE_TEXT_LENGTH);
  return isNameable ? [...names].sort() : undefined;
}

/** Makes one detail of those that differ by their actions alone: it covers just as much. */
function mergeActions(details: readonly PatternDetail[]): PatternDetail[] {
  const merged = new Map<string, PatternDetail>();
  for (const detail of details) {
    const { actions, ...terms } = detail;
    const key = formatCanonicalJson(terms);
    const same = merged.get(key);
    merged.set(key, same === undefined ? detail : { ...same, actions: [...same.actions, ...actions].sort() });
  }
  return [...merged.values()].map(widenLongDetail);
}

function widenLongDetail(detail: PatternDetail): PatternDetail {
  return countDetailBytes(detail) > MAX_DETAIL_BYTES ? nameWholeType(detail) : detail;
}

/** Names all of the type in the longest details, until they can be granted together. */
function widenToFit(proposed: readonly ProposedDetail[]): ProposedDetail[] {
  const details = [...proposed];
  while (countDetailBytes(details.map(({ detail }) => detail)) > MAX_DETAILS_BYTES) {
    const lengths = details.map(({ detail }) => (isWidest(detail) ? 0 : countDetailBytes(detail)));
    const longest = lengths.indexOf(Math.max(...lengths));
    const entry = details[longest];
    if (entry === undefined || lengths[longest] === 0) break;
    details[longest] = { ...entry, detail: nameWholeType(entry.detail as PatternDetail) };
  }
  return details;
}

function isWidest({ resources, constraints }: AuthorizationDetail): boolean {
  return constraints === undefined && Array.isArray(resources) && String(resources[0]).endsWith(':*');
}

function nameWholeType({ constraints: _constraints, resources, ...terms }: PatternDetail): PatternDetail {
  const [type = ''] = (resources[0] ?? '').split(':', 1);
  return { ...terms, resources: [`${type}:*`] };
}
