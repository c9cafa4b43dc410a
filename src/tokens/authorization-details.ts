/**
 * RFC 9396 `authorization_details`: decides whether any entry covers a request; the consent step calls it. Entries are
 * alternatives. The members of one entry are all required, and an entry with a member that isn't understood covers
 * nothing. The common members (section 2.2) mean: `actions` the action's name, `locations` the API's audience,
 * `datatypes` the resource's definition, `privileges` the permission that the action requires, `identifier` the resource.
 * Remit's own type, `remit`, has more.
 */
import { isDeepStrictEqual } from 'node:util';
import { REMIT_DETAIL_TYPE, type AccessType, type AuthorizationDetail } from '../model/acting.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';

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
  /** The attributes that the request states, by the part that states them. */
  readonly attributes: Readonly<Record<'action' | 'context' | 'resource', Properties>>;
  /** The request's purpose, unvalidated. */
  readonly purpose: unknown;
  readonly access: AccessType;
}

const COMMON_MEMBERS = ['type', 'actions', 'locations', 'datatypes', 'privileges', 'identifier'];
const REMIT_MEMBERS = [...COMMON_MEMBERS, 'resources', 'constraints', 'purpose', 'access'];

export interface DetailsCoverage {
  /** The reason why no entry covers the request, naming the member that doesn't fit; undefined where one does. */
  readonly problem: string | undefined;
  /** Whether a covering entry allows background use. */
  readonly background: boolean;
}

/** Finds the entries that cover the request. An empty list covers nothing. */
export function checkDetailsCoverage(
  details: readonly AuthorizationDetail[],
  request: CoverageRequest,
): DetailsCoverage {
  const problems = details.map((detail, i) => {
    const problem = findDetailProblem(detail, request);
    return problem === undefined ? undefined : `authorization_details[${i}]${problem}`;
  });
  const coveringDetails = details.filter((_, i) => problems[i] === undefined);
  if (coveringDetails.length > 0)
    return { problem: undefined, background: coveringDetails.some((detail) => detail.access === 'background') };
  return {
    problem:
      problems[0] === undefined ? 'authorization_details is empty, so it covers nothing.' : `${problems.join('; ')}.`,
    background: false,
  };
}

/** Finds the first member that doesn't fit: `.actions does not name "update"`. */
function findDetailProblem(detail: AuthorizationDetail, request: CoverageRequest): string | undefined {
  const { action, resource } = request;
  const isRemitDetail = detail.type === REMIT_DETAIL_TYPE;
  if (!isRemitDetail && !request.types.includes(detail.type))
    return `.type "${detail.type}" is not configured for this issuer`;
  const unknownMember = Object.keys(detail).find(
    (member) => !(isRemitDetail ? REMIT_MEMBERS : COMMON_MEMBERS).includes(member),
  );
  if (unknownMember !== undefined) return `.${unknownMember} is not understood`;
  if (detail.actions === undefined) return '.actions is missing';
  if (!detail.actions.includes(action)) return `.actions does not name "${action}"`;
  const lacksAll = (list: readonly string[] | undefined, ...alternatives: readonly string[]): boolean =>
    list !== undefined && !alternatives.some((word) => list.includes(word));
  if (lacksAll(detail.locations, ...request.locations)) return '.locations does not name this API';
  if (lacksAll(detail.datatypes, resource.type)) return `.datatypes does not name "${resource.type}"`;
  if (lacksAll(detail.privileges, request.permission)) return `.privileges does not name "${request.permission}"`;
  if (lacksAll(detail.resources, formatRef(resource), `${resource.type}:*`))
    return '.resources does not name the resource';
  if (detail.identifier !== undefined && !identifiesResource(detail.identifier, request))
    return '.identifier names another resource';
  if (detail.purpose !== undefined && detail.purpose !== request.purpose)
    return request.purpose === undefined
      ? '.purpose is not stated by the request'
      : '.purpose is not that of the request';
  if (request.access === 'background' && detail.access === 'online') return '.access is online only';
  for (const [name, constraint] of Object.entries(detail.constraints ?? {})) {
    const problem = findConstraintProblem(name, constraint, request);
    if (problem !== undefined) return `.constraints.${name}${problem}`;
  }
  return undefined;
}

/** Whether it is `employee:erin` or the bare id. A text that begins with a definition is only read as the first. */
function identifiesResource(identifier: string, { resource, isDefinition }: CoverageRequest): boolean {
  if (identifier === formatRef(resource)) return true;
  return identifier === resource.id && !isDefinition(identifier.split(':', 1)[0] ?? '');
}

type ConstraintTest = (value: unknown, limit: unknown) => boolean;

/** The tests that a constraint can make of an attribute. A value of another type fails. */
const CONSTRAINT_TESTS: Readonly<Record<string, ConstraintTest>> = {
  min: (value, limit) => typeof value === 'number' && typeof limit === 'number' && value >= limit,
  max: (value, limit) => typeof value === 'number' && typeof limit === 'number' && value <= limit,
  equals: (value, limit) => isDeepStrictEqual(value, limit),
  // Every element of a list must be allowed. An empty list fails: the service that acts on it may take it for all.
  one_of: (value, limit) =>
    Array.isArray(limit) &&
    [value].flat().length > 0 &&
    [value].flat().every((element) => limit.some((allowed) => isDeepStrictEqual(element, allowed))),
  prefix: (value, limit) => typeof value === 'string' && typeof limit === 'string' && value.startsWith(limit),
};

/**
 * Tests an attribute that the request states: `amount` in any part, or `action.amount`, `context.amount`,
 * `resource.amount`. An attribute that isn't stated fails: leaving it out must not be the way around a constraint.
 */
function findConstraintProblem(name: string, constraint: unknown, { attributes }: CoverageRequest): string | undefined {
  const [source = '', ...rest] = name.split('.');
  const isQualified = rest.length > 0 && Object.hasOwn(attributes, source);
  const attributeSets = isQualified ? [attributes[source as keyof typeof attributes]] : Object.values(attributes);
  const member = isQualified ? rest.join('.') : name;
  const values = attributeSets.filter((p) => Object.hasOwn(p, member)).map((p) => p[member]);
  const isScalar = ['string', 'number', 'boolean'].includes(typeof constraint);
  const tests: unknown = isScalar ? { equals: constraint } : constraint;
  if (typeof tests !== 'object' || tests === null || Array.isArray(tests) || Object.keys(tests).length === 0)
    return ' is not understood';
  const unknownTest = Object.keys(tests).find((test) => !Object.hasOwn(CONSTRAINT_TESTS, test));
  if (unknownTest !== undefined) return `.${unknownTest} is not understood`;
  if (values.length === 0) return ' is not stated by the request';
  const failingTest = Object.entries(tests).find(
    ([test, limit]) => !values.every((value) => CONSTRAINT_TESTS[test]?.(value, limit)),
  );
  return failingTest === undefined ? undefined : `.${failingTest[0]} does not hold`;
}
