/**
 * Whether an authorization detail covers another one: whether every question that the inner detail covers is covered by
 * the outer one, too. What can only narrow is held to it. False where that can't be told.
 */
import type { AuthorizationDetail, HeldResources } from '../model/acting.js';
import { memoizeByObject } from '../runtime/memoize.js';
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

/** It is found once for a detail, since each of a list is held against each of another. */
const isUnderstood = memoizeByObject((detail: AuthorizationDetail): boolean => {
  const constraints = Object.values(detail.constraints ?? {});
  return (
    findUnknownMember(detail) === undefined &&
    constraints.every((constraint) => findConstraintFormProblem(constraint) === undefined)
  );
});

function includesWords(outer: readonly string[] | undefined, inner: readonly string[] | undefined): boolean {
  return outer === undefined || inner?.every((word) => toWordSet(outer).has(word)) === true;
}

const toWordSet = memoizeByObject((words: readonly string[]): ReadonlySet<string> => new Set(words));

/** Background use needs no scope of its own only where a detail says `background`; `online` excludes it. */
function rankAccess({ access }: AuthorizationDetail): number {
  if (access === 'online') return 0;
  return access === undefined ? 1 : 2;
}

function includesResources(outer: AuthorizationDetail, inner: AuthorizationDetail): boolean {
  if (outer.resources === undefined) return true;
  if (inner.resources === undefined) return false;
  const named = readResourceTexts(outer);
  return listDetailResources(inner).every(
    (resource) => named.has(toResourceText(resource)) || named.has(toResourceText(`${readType(resource)}:*`)),
  );
}

const readResourceTexts = memoizeByObject(
  (detail: AuthorizationDetail): ReadonlySet<string> => new Set(listDetailResources(detail).map(toResourceText)),
);

/** Tells names of resources apart. Whether a permission is held on one changes, so that names no one resource for sure. */
function toResourceText(named: string | HeldResources): string {
  return JSON.stringify(typeof named === 'string' ? named : [named.type, named.permission]);
}

function readType(named: string | HeldResources): string {
  return typeof named === 'string' ? (named.split(':', 1)[0] ?? '') : named.type;
}

function includesConstraints(
  outer: Readonly<Record<string, unknown>>,
  inner: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(outer).every(
    ([name, constraint]) => Object.hasOwn(inner, name) && constraintIncludes(constraint, inner[name]),
  );
}
