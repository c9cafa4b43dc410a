/**
 * Whether two authorization details may cover a question in common: a no to one of them is a no to that part of the other. What
 * a caller can spell in many ways keeps none apart. True where that can't be told.
 */
import type { AuthorizationDetail, HeldResources } from '../model/acting.js';
import { listDetailResources } from './authorization-details.js';
import { mayConstraintsMeet } from './detail-constraints.js';

/** Whether one of these may cover a question that one of the others covers. */
export function mayDetailsMeet(some: readonly AuthorizationDetail[], others: readonly AuthorizationDetail[]): boolean {
  return some.some((detail) => others.some((other) => mayDetailMeet(detail, other)));
}

/** Purposes and locations don't count: a caller words the one as it likes, and has one API whatever the other calls it. */
export function mayDetailMeet(a: AuthorizationDetail, b: AuthorizationDetail): boolean {
  return (
    mayShareWord(a.actions, b.actions) &&
    mayShareWord(a.datatypes, b.datatypes) &&
    mayShareWord(a.privileges, b.privileges) &&
    mayIdentifySame(a.identifier, b.identifier) &&
    mayShareResource(a, b) &&
    Object.entries(a.constraints ?? {}).every(([name, constraint]) => {
      const others = b.constraints ?? {};
      return !Object.hasOwn(others, name) || mayConstraintsMeet(constraint, others[name]);
    })
  );
}

function mayShareWord(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return a === undefined || b === undefined || a.some((word) => b.includes(word));
}

/** The bare id and `employee:erin` may be one. */
function mayIdentifySame(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b || a.endsWith(`:${b}`) || b.endsWith(`:${a}`);
}

function mayShareResource(a: AuthorizationDetail, b: AuthorizationDetail): boolean {
  if (a.resources === undefined || b.resources === undefined) return true;
  const others = listDetailResources(b);
  const types = new Set(others.map(readResourceType));
  const texts = new Set(others.map(toNamedText));
  return listDetailResources(a).some((named) => {
    const type = readResourceType(named);
    return isWholeType(named) ? types.has(type) : texts.has(toNamedText(named)) || texts.has(`${type}:*`);
  });
}

/** Those that are named by a permission may be any of their type. */
function toNamedText(named: string | HeldResources): string {
  return typeof named === 'string' ? named : `${named.type}:*`;
}

function isWholeType(named: string | HeldResources): boolean {
  return typeof named !== 'string' || named.endsWith(':*');
}

function readResourceType(named: string | HeldResources): string {
  return typeof named === 'string' ? (named.split(':', 1)[0] ?? '') : named.type;
}
