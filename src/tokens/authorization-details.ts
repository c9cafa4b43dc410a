/**
 * RFC 9396 `authorization_details`: does any entry cover what is asked? Entries are alternatives; the members of one are
 * all required, and one that says more than is understood here covers nothing. The common members (section 2.2) mean:
 * `actions` the action's name, `locations` the API's audience, `datatypes` the resource's definition, `privileges` the
 * permission that the action asks for, `identifier` the resource. Our own type, `remit`, has more.
 */
import { isDeepStrictEqual } from 'node:util';
import { DETAIL_TYPE, type Access, type AuthorizationDetail } from '../model/acting.js';
import { refText, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';

export interface Wanted {
  readonly action: string;
  readonly permission: string;
  readonly resource: EntityRef;
  /** Whether a word is a SpiceDB definition: then `word:id` names a resource. */
  readonly isDefinition: (word: string) => boolean;
  /** Audiences by which this API goes. */
  readonly locations: readonly string[];
  /** Types of detail that the deployment understands, beside its own. */
  readonly types: readonly string[];
  /** Where the request's attributes are said. */
  readonly attributes: Readonly<Record<'action' | 'context' | 'resource', Properties>>;
  /** What the request says, of whatever type. */
  readonly purpose: unknown;
  readonly access: Access;
}

const COMMON = ['type', 'actions', 'locations', 'datatypes', 'privileges', 'identifier'];
const OWN = [...COMMON, 'resources', 'constraints', 'purpose', 'access'];

export interface Coverage {
  /** Why no entry covers it, naming the member that doesn't fit; undefined where one does. */
  readonly problem: string | undefined;
  /** Whether a covering entry allows background use. */
  readonly background: boolean;
}

/** @param details undefined where the token carries none */
export function coverage(details: readonly AuthorizationDetail[], wanted: Wanted): Coverage {
  const problems = details.map((detail, i) => {
    const why = problemOf(detail, wanted);
    return why === undefined ? undefined : `authorization_details[${i}]${why}`;
  });
  const covering = details.filter((_, i) => problems[i] === undefined);
  if (covering.length > 0)
    return { problem: undefined, background: covering.some((detail) => detail.access === 'background') };
  return {
    problem:
      problems[0] === undefined ? 'authorization_details is empty, so it covers nothing.' : `${problems.join('; ')}.`,
    background: false,
  };
}

/** The first member that doesn't fit, as `.actions does not name "update"`. */
function problemOf(detail: AuthorizationDetail, wanted: Wanted): string | undefined {
  const { action, resource } = wanted;
  const own = detail.type === DETAIL_TYPE;
  if (!own && !wanted.types.includes(detail.type)) return `.type "${detail.type}" is not known here`;
  const strange = Object.keys(detail).find((member) => !(own ? OWN : COMMON).includes(member));
  if (strange !== undefined) return `.${strange} is not understood`;
  if (detail.actions === undefined) return '.actions is missing';
  if (!detail.actions.includes(action)) return `.actions does not name "${action}"`;
  const lacks = (list: readonly string[] | undefined, ...one: readonly string[]): boolean =>
    list !== undefined && !one.some((word) => list.includes(word));
  if (lacks(detail.locations, ...wanted.locations)) return '.locations does not name this API';
  if (lacks(detail.datatypes, resource.type)) return `.datatypes does not name "${resource.type}"`;
  if (lacks(detail.privileges, wanted.permission)) return `.privileges does not name "${wanted.permission}"`;
  if (lacks(detail.resources, refText(resource), `${resource.type}:*`)) return '.resources does not name the resource';
  if (detail.identifier !== undefined && !identifies(detail.identifier, wanted))
    return '.identifier is of another resource';
  if (detail.purpose !== undefined && detail.purpose !== wanted.purpose)
    return wanted.purpose === undefined ? '.purpose is not stated by the request' : '.purpose is another';
  if (wanted.access === 'background' && detail.access === 'online') return '.access is online only';
  for (const [name, constraint] of Object.entries(detail.constraints ?? {})) {
    const why = constraintProblem(name, constraint, wanted);
    if (why !== undefined) return `.constraints.${name}${why}`;
  }
  return undefined;
}

/** `employee:erin`, or the bare id: of a word that names a definition only the first is meant. */
function identifies(identifier: string, { resource, isDefinition }: Wanted): boolean {
  if (identifier === refText(resource)) return true;
  return identifier === resource.id && !isDefinition(identifier.split(':', 1)[0] ?? '');
}

type Test = (given: unknown, limit: unknown) => boolean;

/** What a constraint can ask of an attribute. A value of another type fails it. */
const TESTS: Readonly<Record<string, Test>> = {
  min: (given, limit) => typeof given === 'number' && typeof limit === 'number' && given >= limit,
  max: (given, limit) => typeof given === 'number' && typeof limit === 'number' && given <= limit,
  equals: (given, limit) => isDeepStrictEqual(given, limit),
  // Of a list, every element; an empty one may mean all to whoever acts on it.
  one_of: (given, limit) =>
    Array.isArray(limit) &&
    [given].flat().length > 0 &&
    [given].flat().every((one) => limit.some((allowed) => isDeepStrictEqual(one, allowed))),
  prefix: (given, limit) => typeof given === 'string' && typeof limit === 'string' && given.startsWith(limit),
};

/**
 * A constraint is on an attribute that the request states: `amount` wherever it is stated, or `action.amount`,
 * `context.amount`, `resource.amount`. What isn't stated fails: leaving it out must not be the way around.
 */
function constraintProblem(name: string, constraint: unknown, { attributes }: Wanted): string | undefined {
  const [place = '', ...rest] = name.split('.');
  const placed = rest.length > 0 && Object.hasOwn(attributes, place);
  const places = placed ? [attributes[place as keyof typeof attributes]] : Object.values(attributes);
  const member = placed ? rest.join('.') : name;
  const given = places.filter((p) => Object.hasOwn(p, member)).map((p) => p[member]);
  const plain = ['string', 'number', 'boolean'].includes(typeof constraint);
  const tests: unknown = plain ? { equals: constraint } : constraint;
  if (typeof tests !== 'object' || tests === null || Array.isArray(tests) || Object.keys(tests).length === 0)
    return ' is not understood';
  const strange = Object.keys(tests).find((test) => !Object.hasOwn(TESTS, test));
  if (strange !== undefined) return `.${strange} is not understood`;
  if (given.length === 0) return ' is not stated by the request';
  const failing = Object.entries(tests).find(([test, limit]) => !given.every((value) => TESTS[test]?.(value, limit)));
  return failing === undefined ? undefined : `.${failing[0]} does not hold`;
}
