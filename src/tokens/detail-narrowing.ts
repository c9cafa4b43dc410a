/**
 * Whether an authorization detail covers another one: whether every question that the inner detail covers is covered by
 * the outer one, too. What can only narrow is held to it. False where that can't be told.
 */
import type { AuthorizationDetail, HeldResources } from '../model/acting.js';
import { findUnknownMember, listDetailResources } from './authorization-details.js';
import { constraintIncludes, findConstraintFormProblem } from './detail-constraints.js';

/** Whether each of the inner details is covered by one of the outer ones. */
export function detailsCover(outer: readonly AuthorizationDetail[], inner: readonly AuthorizationDetail[]): boolean {
  return inner.every((detail) => outer.some((candidate) => detailCovers(candidate, detail)));
}

export function detailCovers(outer: AuthorizationDetail, inner: AuthorizationDetail): boolean {
  if (outer.type !== inner.type || !isUnderstood(outer) || !isUnderstood(inner)) return false;
  return (
    // A detail without actions covers nothing.
    outer.actions !== undefined &&
    inner.actions !== undefined &&
    includesWords(outer.actions, inner.actions) &&
    includesWords(outer.locations, inner.locations) &&
    includesWords(outer.datatypes, inner.datatypes) &&
    includesWords(outer.privileges, inner.privileges) &&
    (outer.identifier === undefined || outer.identifier === inner.identifier) &&
    (outer.purpose === undefined || outer.purpose === inner.purpose) &&
    rankAccess(outer) >= rankAccess(inner) &&
    includesResources(outer, inner) &&
    includesConstraints(outer.constraints ?? {}, inner.constraints ?? {})
  );
}

function isUnderstood(detail: AuthorizationDetail): boolean {
  const constraints = Object.values(detail.constraints ?? {});
  return (
    findUnknownMember(detail) === undefined &&
    constraints.every((constraint) => findConstraintFormProblem(constraint) === undefined)
  );
}

function includesWords(outer: readonly string[] | undefined, inner: readonly string[] | undefined): boolean {
  return outer === undefined || inner?.every((word) => outer.includes(word)) === true;
}

/** Background use needs no scope of its own only where a detail says `background`; `online` excludes it. */
function rankAccess({ access }: AuthorizationDetail): number {
  if (access === 'online') return 0;
  return access === undefined ? 1 : 2;
}

function includesResources(outer: AuthorizationDetail, inner: AuthorizationDetail): boolean {
  if (outer.resources === undefined) return true;
  if (inner.resources === undefined) return false;
  const named = listDetailResources(outer);
  return listDetailResources(inner).every((resource) => named.some((other) => namesAll(other, resource)));
}

/** Whether a name of resources names all that the other does. Whether a permission is held on one changes, so it names none for sure. */
function namesAll(outer: string | HeldResources, inner: string | HeldResources): boolean {
  const type = typeof inner === 'string' ? inner.split(':', 1)[0] : inner.type;
  if (typeof outer === 'string') return outer === inner || outer === `${type ?? ''}:*`;
  return typeof inner !== 'string' && outer.type === inner.type && outer.permission === inner.permission;
}

function includesConstraints(
  outer: Readonly<Record<string, unknown>>,
  inner: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(outer).every(
    ([name, constraint]) => Object.hasOwn(inner, name) && constraintIncludes(constraint, inner[name]),
  );
}
