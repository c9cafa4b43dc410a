/**
 * RFC 9396 `authorization_details`: decides whether any entry covers a request, for tokens and for all that people grant.
 * Entries are alternatives. The members of one entry are all required, and an entry with a member that isn't understood
 * covers nothing. The common members (section 2.2) mean: `actions` the action's name, `locations` the API's audience,
 * `datatypes` the resource's definition, `privileges` the permission that the action requires, `identifier` the resource.
 * Remit's own type, `remit`, has more.
 */
import { REMIT_DETAIL_TYPE, type AccessType, type AuthorizationDetail, type HeldResources } from '../model/acting.js';
import type { CheckAnswer } from '../model/checks.js';
import type { FaultCode } from '../model/faults.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { findConstraintMisfit, type StatedAttributes } from './detail-constraints.js';

export interface CoverageRequest {
  readonly action: string;
  readonly permission: string;
  readonly resource: EntityRef;
  /** Whether a word is a SpiceDB definition, so that `word:id` names a resource. */
  readonly isDefinition: (word: string) => boolean;
  /** Audiences that name this API. */
  readonly locations: readonly string[];
  /** Types of detail that are understood beside Remit's own. */
  readonly types: readonly string[];
  readonly attributes: StatedAttributes;
  /**
   * Says whether the party acted for holds the permission on the resource, for details that name resources by one;
   * undefined where the resource's definition has no such permission.
   */
  readonly findHolding: (permission: string) => CheckAnswer | undefined;
  /** The request's purpose, unvalidated. */
  readonly purpose: unknown;
  readonly access: AccessType;
}

const COMMON_MEMBERS = ['type', 'actions', 'locations', 'datatypes', 'privileges', 'identifier'];
const REMIT_MEMBERS = [...COMMON_MEMBERS, 'resources', 'constraints', 'purpose', 'access'];
const HELD_MEMBERS = ['type', 'permission'];

export interface DetailsCoverage {
  /** The reason why no entry covers the request, naming the member that doesn't fit; undefined where one does. */
  readonly problem: string | undefined;
  /** Set where no entry covers the request and one would if SpiceDB could say that the permission is held. */
  readonly fault: FaultCode | undefined;
  /** Whether an entry would cover the request if it stated what it doesn't: a purpose, or an attribute with a constraint. */
  readonly unstated: boolean;
  /** Whether a covering entry allows background use. */
  readonly background: boolean;
}

/**
 * Finds the entries that cover the request. An empty list covers nothing.
 * @param place of the list, for its problems
 */
export function checkDetailsCoverage(
  details: readonly AuthorizationDetail[],
  request: CoverageRequest,
  place = 'authorization_details',
): DetailsCoverage {
  const misfits = details.map((detail) => findDetailMisfit(detail, request));
  const coveringDetails = details.filter((_, i) => misfits[i] === undefined);
  if (coveringDetails.length > 0) {
    const background = coveringDetails.some((detail) => detail.access === 'background');
    return { problem: undefined, fault: undefined, unstated: false, background };
  }
  const problems = misfits.map((misfit, i) => `${place}[${i}]${misfit?.problem ?? ''}`);
  return {
    problem: problems.length === 0 ? `${place} is empty, so it covers nothing.` : `${problems.join('; ')}.`,
    fault: misfits.find((misfit) => misfit?.fault !== undefined)?.fault,
    unstated: misfits.some((misfit) => misfit?.unstated),
    background: false,
  };
}

/** The resources that a detail names: ids as `employee:erin`, all of a type as `employee:*`, or those with a permission. */
export function listDetailResources({ resources }: AuthorizationDetail): readonly (string | HeldResources)[] {
  return resources === undefined ? [] : [resources].flat();
}

/** The permissions by which details name resources of the type. */
export function listDetailPermissions(details: readonly AuthorizationDetail[], type: string): string[] {
  const held = details.flatMap(listDetailResources).filter((named) => typeof named === 'object');
  return [...new Set(held.flatMap((named) => (named.type === type ? [named.permission] : [])))];
}

/** Finds a member that isn't understood: an entry that has one covers nothing. */
export function findUnknownMember(detail: AuthorizationDetail): string | undefined {
  const known = detail.type === REMIT_DETAIL_TYPE ? REMIT_MEMBERS : COMMON_MEMBERS;
  const unknown = Object.keys(detail).find((member) => !known.includes(member));
  if (unknown !== undefined) return unknown;
  const hasUnknownSelector = listDetailResources(detail).some(
    (named) => typeof named === 'object' && Object.keys(named).some((key) => !HELD_MEMBERS.includes(key)),
  );
  return hasUnknownSelector ? 'resources' : undefined;
}

interface DetailMisfit {
  /** The first member that doesn't fit: `.actions does not name "update"`. */
  readonly problem: string;
  /** Set where nothing else is wrong than that SpiceDB couldn't answer. */
  readonly fault?: FaultCode;
  /** Set where nothing else is wrong than that the request doesn't state something. */
  readonly unstated?: true;
}

function findDetailMisfit(detail: AuthorizationDetail, request: CoverageRequest): DetailMisfit | undefined {
  const problem = findDetailProblem(detail, request);
  if (problem !== undefined) return { problem };
  const constraintMisfit = findConstraintsMisfit(detail, request);
  if (constraintMisfit !== undefined && constraintMisfit.unstated !== true) return constraintMisfit;
  const lacksPurpose = detail.purpose !== undefined && request.purpose === undefined;
  const unstated = lacksPurpose ? '.purpose is not stated by the request' : constraintMisfit?.problem;
  const misfit = findResourcesMisfit(detail, request);
  if (unstated === undefined) return misfit;
  return misfit === undefined ? { problem: unstated, unstated: true } : { problem: unstated };
}

/** Finds the first constraint that is broken, and only where none is, the first that the request states nothing for. */
function findConstraintsMisfit(
  { constraints = {} }: AuthorizationDetail,
  { attributes }: CoverageRequest,
): DetailMisfit | undefined {
  const misfits = Object.entries(constraints).flatMap(([name, constraint]) => {
    const misfit = findConstraintMisfit(name, constraint, attributes);
    return misfit === undefined ? [] : [{ ...misfit, problem: `.constraints.${name}${misfit.problem}` }];
  });
  return misfits.find(({ unstated }) => unstated !== true) ?? misfits[0];
}

/** Finds the first member that doesn't fit; `constraints`, `resources` and a purpose not stated are judged apart. */
function findDetailProblem(detail: AuthorizationDetail, request: CoverageRequest): string | undefined {
  const { action, resource } = request;
  if (detail.type !== REMIT_DETAIL_TYPE && !request.types.includes(detail.type))
    return `.type "${detail.type}" is not configured for this issuer`;
  const unknownMember = findUnknownMember(detail);
  if (unknownMember !== undefined) return `.${unknownMember} is not understood`;
  if (detail.actions === undefined) return '.actions is missing';
  if (!detail.actions.includes(action)) return `.actions does not name "${action}"`;
  const lacksAll = (list: readonly string[] | undefined, ...alternatives: readonly string[]): boolean =>
    list !== undefined && !alternatives.some((word) => list.includes(word));
  if (lacksAll(detail.locations, ...request.locations)) return '.locations does not name this API';
  if (lacksAll(detail.datatypes, resource.type)) return `.datatypes does not name "${resource.type}"`;
  if (lacksAll(detail.privileges, request.permission)) return `.privileges does not name "${request.permission}"`;
  if (detail.identifier !== undefined && !identifiesResource(detail.identifier, request))
    return '.identifier names another resource';
  if (detail.purpose !== undefined && request.purpose !== undefined && detail.purpose !== request.purpose)
    return '.purpose is not that of the request';
  if (request.access === 'background' && detail.access === 'online') return '.access is online only';
  return undefined;
}

function findResourcesMisfit(detail: AuthorizationDetail, request: CoverageRequest): DetailMisfit | undefined {
  if (detail.resources === undefined) return undefined;
  const { resource, findHolding } = request;
  const named = listDetailResources(detail);
  if ([formatRef(resource), `${resource.type}:*`].some((text) => named.includes(text))) return undefined;
  const answers = listDetailPermissions([detail], resource.type).map(findHolding);
  if (answers.some((answer) => answer?.result === 'yes')) return undefined;
  const unknown = answers.find((answer) => answer?.result === 'unknown');
  return {
    problem: answers.some((answer) => answer !== undefined)
      ? '.resources names a permission that is not held on the resource'
      : '.resources does not name the resource',
    ...(unknown?.result === 'unknown' ? { fault: unknown.fault } : {}),
  };
}

/** Whether it is `employee:erin` or the bare id. A text that begins with a definition is only read as the first. */
function identifiesResource(identifier: string, { resource, isDefinition }: CoverageRequest): boolean {
  if (identifier === formatRef(resource)) return true;
  return identifier === resource.id && !isDefinition(identifier.split(':', 1)[0] ?? '');
}
