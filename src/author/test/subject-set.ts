/**
 * Sets of subjects, and their union, intersection and difference as SpiceDB's own validation computes them: a wildcard
 * stands beside the subjects that are named and has exceptions, and what depends on a caveat is conditional, whatever the
 * caveat says. The members of a permission are computed with it.
 */

export interface FoundSubject {
  /** The id that SpiceDB stores; `*` is the wildcard. */
  readonly id: string;
  readonly conditional: boolean;
  /** The subjects that a wildcard doesn't cover, by their ids. */
  readonly exceptions: ReadonlyMap<string, FoundSubject>;
  /** The relations that name the subject, such as `document:plan#viewer`. */
  readonly relations: ReadonlySet<string>;
}

/** The subjects of one type and relation. */
interface TypeSubjects {
  readonly concrete: ReadonlyMap<string, FoundSubject>;
  readonly wildcard: FoundSubject | undefined;
}

/** Subjects by their type, or by type and relation as in `team#member`. */
export type SubjectSet = ReadonlyMap<string, TypeSubjects>;

export const EMPTY_SUBJECTS: SubjectSet = new Map();

const WILDCARD = '*';
const NO_SUBJECTS: TypeSubjects = { concrete: new Map(), wildcard: undefined };
const NO_EXCEPTIONS: FoundSubject['exceptions'] = new Map();

/** @param relation the one that names the subject */
export function singleSubject(typeKey: string, id: string, conditional: boolean, relation: string): SubjectSet {
  const subject = { id, conditional, exceptions: NO_EXCEPTIONS, relations: new Set([relation]) };
  return new Map([[typeKey, addSubject(NO_SUBJECTS, subject)]]);
}

export function uniteSubjects(a: SubjectSet, b: SubjectSet): SubjectSet {
  const united = new Map(a);
  for (const [key, subjects] of b)
    united.set(key, listSubjects(subjects).reduce(addSubject, united.get(key) ?? NO_SUBJECTS));
  return united;
}

export function intersectSubjects(a: SubjectSet, b: SubjectSet): SubjectSet {
  const common = new Map<string, TypeSubjects>();
  for (const [key, subjects] of a) {
    const others = b.get(key);
    if (others !== undefined) common.set(key, intersectOfType(subjects, others));
  }
  return common;
}

export function subtractSubjects(a: SubjectSet, b: SubjectSet): SubjectSet {
  const remaining = new Map<string, TypeSubjects>();
  for (const [key, subjects] of a)
    remaining.set(key, listSubjects(b.get(key) ?? NO_SUBJECTS).reduce(subtractSubject, subjects));
  return remaining;
}

/** The same subjects, of which each depends on a caveat. */
export function makeConditional(set: SubjectSet): SubjectSet {
  const condition = (subject: FoundSubject): FoundSubject => ({ ...subject, conditional: true });
  return new Map(
    [...set].map(([key, { concrete, wildcard }]) => [
      key,
      {
        concrete: new Map([...concrete].map(([id, subject]) => [id, condition(subject)])),
        wildcard: wildcard === undefined ? undefined : condition(wildcard),
      },
    ]),
  );
}

export function listSubjects({ concrete, wildcard }: TypeSubjects): FoundSubject[] {
  return [...concrete.values(), ...(wildcard === undefined ? [] : [wildcard])];
}

/** A subject that comes of others: it is named by all the relations that name them. */
function deriveSubject(
  id: string,
  conditional: boolean,
  sources: readonly FoundSubject[],
  exceptions = NO_EXCEPTIONS,
): FoundSubject {
  return { id, conditional, exceptions, relations: new Set(sources.flatMap(({ relations }) => [...relations])) };
}

function addSubject({ concrete, wildcard }: TypeSubjects, added: FoundSubject): TypeSubjects {
  if (added.id === WILDCARD) {
    const united = wildcard === undefined ? added : uniteWildcards(wildcard, added);
    return { concrete, wildcard: [...concrete.values()].reduce(coverSubject, united) };
  }
  const subject = uniteNamed(concrete.get(added.id), added);
  return {
    concrete: subject === undefined ? concrete : new Map(concrete).set(added.id, subject),
    wildcard: wildcard === undefined ? undefined : coverSubject(wildcard, added),
  };
}

function uniteNamed(a: FoundSubject | undefined, b: FoundSubject | undefined): FoundSubject | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return deriveSubject(a.id, a.conditional && b.conditional, [a, b]);
}

/** An exception stays where both have it. */
function uniteWildcards(a: FoundSubject, b: FoundSubject): FoundSubject {
  const exceptions = intersectOfType(
    { concrete: a.exceptions, wildcard: undefined },
    { concrete: b.exceptions, wildcard: undefined },
  );
  return deriveSubject(WILDCARD, a.conditional && b.conditional, [a, b], exceptions.concrete);
}

/** The wildcard beside a named subject: what is named is no exception any more. */
function coverSubject(wildcard: FoundSubject, subject: FoundSubject): FoundSubject {
  const exceptions = new Map(wildcard.exceptions);
  const exception = exceptions.get(subject.id);
  if (exception === undefined) return wildcard;
  if (subject.conditional) exceptions.set(subject.id, deriveSubject(subject.id, true, [exception, subject]));
  else exceptions.delete(subject.id);
  return { ...wildcard, exceptions };
}

function intersectOfType(a: TypeSubjects, b: TypeSubjects): TypeSubjects {
  const concrete = new Map<string, FoundSubject>();
  for (const [id, subject] of a.concrete) {
    const other = b.concrete.get(id);
    const both =
      other === undefined ? undefined : deriveSubject(id, subject.conditional || other.conditional, [subject, other]);
    const common = uniteNamed(both, intersectWithWildcard(subject, b.wildcard));
    if (common !== undefined) concrete.set(id, common);
  }
  for (const [id, other] of b.concrete) {
    const common = uniteNamed(concrete.get(id), intersectWithWildcard(other, a.wildcard));
    if (common !== undefined) concrete.set(id, common);
  }
  return { concrete, wildcard: intersectWildcards(a.wildcard, b.wildcard) };
}

function intersectWildcards(a: FoundSubject | undefined, b: FoundSubject | undefined): FoundSubject | undefined {
  if (a === undefined || b === undefined) return undefined;
  const exceptions = [...b.exceptions.values()].reduce(addSubject, { concrete: a.exceptions, wildcard: undefined });
  return deriveSubject(WILDCARD, a.conditional || b.conditional, [a, b], exceptions.concrete);
}

function intersectWithWildcard(subject: FoundSubject, wildcard: FoundSubject | undefined): FoundSubject | undefined {
  if (wildcard === undefined) return undefined;
  const exception = wildcard.exceptions.get(subject.id);
  if (exception === undefined)
    return wildcard.conditional ? deriveSubject(subject.id, true, [subject, wildcard]) : subject;
  return exception.conditional ? deriveSubject(subject.id, true, [subject, wildcard, exception]) : undefined;
}

function subtractSubject({ concrete, wildcard }: TypeSubjects, removed: FoundSubject): TypeSubjects {
  const remaining = new Map(concrete);
  if (removed.id !== WILDCARD) {
    const subject = concrete.get(removed.id);
    if (subject !== undefined) {
      if (removed.conditional) remaining.set(removed.id, deriveSubject(removed.id, true, [subject, removed]));
      else remaining.delete(removed.id);
    }
    return { concrete: remaining, wildcard: wildcard === undefined ? undefined : exceptSubject(wildcard, removed) };
  }
  for (const [id, subject] of concrete) {
    const exception = removed.exceptions.get(id);
    if (exception?.conditional === false) continue;
    if (exception !== undefined || removed.conditional) remaining.set(id, deriveSubject(id, true, [subject]));
    else remaining.delete(id);
  }
  if (wildcard === undefined) return { concrete: remaining, wildcard };
  // What the removed wildcard excepts was covered by this one, unless it is an exception here, too.
  for (const [id, exception] of removed.exceptions) {
    const ownException = wildcard.exceptions.get(id);
    if (ownException?.conditional === false) continue;
    const conditional =
      wildcard.conditional || removed.conditional || exception.conditional || ownException !== undefined;
    remaining.set(id, deriveSubject(id, conditional, [exception]));
  }
  const stays = removed.conditional || (wildcard.conditional && removed.exceptions.size > 0);
  return {
    concrete: remaining,
    wildcard: stays ? deriveSubject(WILDCARD, true, [wildcard, removed], wildcard.exceptions) : undefined,
  };
}

function exceptSubject(wildcard: FoundSubject, removed: FoundSubject): FoundSubject {
  const exception = wildcard.exceptions.get(removed.id);
  const united =
    exception === undefined
      ? removed
      : deriveSubject(removed.id, exception.conditional && removed.conditional, [exception, removed]);
  return { ...wildcard, exceptions: new Map(wildcard.exceptions).set(removed.id, united) };
}
