/** Sets of subjects: what they say of any subject agrees with plain logic, and caveats stay where they decide. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EMPTY_SUBJECTS,
  intersectSubjects,
  listSubjects,
  singleSubject,
  subtractSubjects,
  makeConditional,
  uniteSubjects,
  type FoundSubject,
  type SubjectSet,
} from '../../../src/author/test/subject-set.js';

const IDS = ['ann', 'ben', 'eve'];

/** Whether a set without caveats has the subject. */
function hasSubject(set: SubjectSet, id: string): boolean {
  const { concrete, wildcard } = set.get('user') ?? {};
  return concrete?.has(id) === true || (wildcard !== undefined && !wildcard.exceptions.has(id));
}

const user = (id: string, conditional = false): SubjectSet =>
  singleSubject('user', id, conditional, `doc:plan#${id === '*' ? 'public' : id}`);
/** Everyone but one. */
const but = (id: string, conditional = false): SubjectSet => subtractSubjects(user('*'), user(id, conditional));

/** Such as `ann? * but ben`: the question mark stands for a caveat. */
function describeSet(set: SubjectSet): string {
  const name = ({ id, conditional }: FoundSubject): string => `${id}${conditional ? '?' : ''}`;
  return listSubjects(set.get('user') ?? { concrete: new Map(), wildcard: undefined })
    .map((subject) =>
      [name(subject), ...[...subject.exceptions.values()].map((other) => `but ${name(other)}`)].join(' '),
    )
    .join(' ');
}

interface Term {
  readonly set: SubjectSet;
  readonly has: (id: string) => boolean;
}

/** A set made by random operations, with what logic says of each subject. */
const { term } = fc.letrec<{ term: Term }>((tie) => {
  const leaf = fc
    .constantFrom(...IDS, '*')
    .map((id): Term => ({ set: user(id), has: (other) => id === '*' || id === other }));
  const nothing = fc.constant<Term>({ set: EMPTY_SUBJECTS, has: () => false });
  const both = fc.tuple(tie('term'), tie('term'));
  const united = both.map(([a, b]): Term => ({
    set: uniteSubjects(a.set, b.set),
    has: (id) => a.has(id) || b.has(id),
  }));
  const common = both.map(([a, b]): Term => ({
    set: intersectSubjects(a.set, b.set),
    has: (id) => a.has(id) && b.has(id),
  }));
  const left = both.map(([a, b]): Term => ({
    set: subtractSubjects(a.set, b.set),
    has: (id) => a.has(id) && !b.has(id),
  }));
  return { term: fc.oneof({ depthSize: 'medium', withCrossShrink: true }, leaf, nothing, united, common, left) };
});

describe('a set of subjects', () => {
  it('says of each subject, named or not, what logic says', () => {
    fc.assert(
      fc.property(term, ({ set, has }) => {
        for (const id of [...IDS, 'stranger']) expect(hasSubject(set, id)).toBe(has(id));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['named twice', uniteSubjects(user('ann', true), user('ann')), 'ann'],
    ['named twice with a caveat', uniteSubjects(user('ann', true), user('ann', true)), 'ann?'],
    ['in both', intersectSubjects(user('ann'), user('ann', true)), 'ann?'],
    ['in a set and everyone, with a caveat', intersectSubjects(user('ann'), user('*', true)), 'ann?'],
    ['without one, with a caveat', subtractSubjects(user('ann'), user('ann', true)), 'ann?'],
    ['without everyone, with a caveat', subtractSubjects(user('ann'), user('*', true)), 'ann?'],
    ['everyone without one, with a caveat', subtractSubjects(user('*'), user('ann', true)), '* but ann?'],
    ['everyone without one, twice', subtractSubjects(but('ann', true), user('ann')), '* but ann'],
    ['everyone without everyone but one', subtractSubjects(user('*', true), but('ann')), 'ann? *?'],
    ['everyone, with a caveat, without one', subtractSubjects(user('*', true), user('ann')), '*? but ann'],
    ['everyone but one, or that one, with a caveat', uniteSubjects(but('ann'), user('ann', true)), 'ann? * but ann?'],
    ['all of it, with a caveat', makeConditional(uniteSubjects(user('ann'), but('ben'))), 'ann? *? but ben'],
  ])('keeps caveats: %s', (_, set, text) => expect(describeSet(set)).toBe(text));

  it('keeps users and the members of a team apart', () => {
    const users = singleSubject('user', '*', false, 'doc:plan#viewer');
    const members = singleSubject('team#member', 'core', false, 'doc:plan#viewer');
    expect([...uniteSubjects(users, members).keys()]).toEqual(['user', 'team#member']);
    expect(intersectSubjects(users, members)).toEqual(EMPTY_SUBJECTS);
    expect(subtractSubjects(members, users)).toEqual(members);
  });

  it('names a subject by the relations of the parts that have it, and of no other', () => {
    const relations = (set: SubjectSet): string[] =>
      [...set.values()].flatMap(listSubjects).flatMap((subject) => [...subject.relations]);
    const owner = singleSubject('user', 'ann', false, 'doc:plan#owner');
    const viewer = singleSubject('user', 'ann', false, 'doc:plan#viewer');
    const banned = singleSubject('user', 'ben', false, 'doc:plan#banned');
    expect(relations(uniteSubjects(owner, intersectSubjects(viewer, banned)))).toEqual(['doc:plan#owner']);
    expect(relations(uniteSubjects(owner, viewer))).toEqual(['doc:plan#owner', 'doc:plan#viewer']);
    expect(relations(subtractSubjects(viewer, banned))).toEqual(['doc:plan#viewer']);
  });
});
