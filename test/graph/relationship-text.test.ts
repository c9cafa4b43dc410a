/** Relationships as text: read strictly, written the way they are read, and never two for one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findIdProblem } from '../../src/model/ids.js';
import { findRelationNameProblem, type Relationship } from '../../src/model/relationships.js';
import {
  toUtcInstant,
  checkKey,
  relationshipKey,
  formatRelationship,
  parseRelationship,
  parseStoredRelationship,
} from '../../src/graph/relationship-text.js';

const owner = (subject: Relationship['subject'], more: Partial<Relationship> = {}): Relationship => ({
  resource: { type: 'repository', id: 'api' },
  relation: 'owner',
  subject,
  ...more,
});

describe('parseRelationship', () => {
  it.each<[string, Relationship]>([
    ['repository:api#owner@user:alice', owner({ type: 'user', id: 'alice' })],
    ['  repository:api#owner@user:alice\t', owner({ type: 'user', id: 'alice' })],
    ['repository:api#owner@team:core#member', owner({ type: 'team', id: 'core', relation: 'member' })],
    ['repository:api#owner@user:alice#...', owner({ type: 'user', id: 'alice' })],
    ['repository:api#owner@user:*', owner({ type: 'user', id: '*' }, { wildcard: true })],
    ['repository:api#owner@user:=2A', owner({ type: 'user', id: '*' })],
    ['repository:api#owner@acme/user:a=20b=C3=BC', owner({ type: 'acme/user', id: 'a b\u00fc' })],
    [
      'repository:api#owner@user:alice[expiration:2030-01-01T00:00:00Z]',
      owner({ type: 'user', id: 'alice' }, { expiresAt: '2030-01-01T00:00:00Z' }),
    ],
    [
      'repository:api#owner@user:alice[expiration:2030-01-01T01:00:00.5+01:00]',
      owner({ type: 'user', id: 'alice' }, { expiresAt: '2030-01-01T00:00:00.500Z' }),
    ],
    [
      'repository:api#owner@user:alice[acme/on_duty]',
      owner({ type: 'user', id: 'alice' }, { caveat: { name: 'acme/on_duty', context: {} } }),
    ],
    [
      'repository:api#owner@user:alice[limit:{"max": 3, "in": {"a": ["]", "}"]}}][expiration:2030-01-01T00:00:00Z]',
      owner(
        { type: 'user', id: 'alice' },
        {
          caveat: { name: 'limit', context: { max: 3, in: { a: [']', '}'] } } },
          expiresAt: '2030-01-01T00:00:00Z',
        },
      ),
    ],
    [
      'repository:api#owner@user:alice[limit:{"a":"}][expiration:x"}]',
      owner({ type: 'user', id: 'alice' }, { caveat: { name: 'limit', context: { a: '}][expiration:x' } } }),
    ],
  ])('reads %s', (text, relationship) => expect(parseRelationship(text)).toEqual(relationship));

  const form = 'is not a relationship of the form "document:plan#viewer@user:ann"';
  const definition = 'must be a SpiceDB definition name such as "document" or "acme/document"';
  const member = 'must be a SpiceDB relation or permission name such as "viewer"';
  const coded = 'must be encoded: =XX for each byte outside A-Z a-z 0-9 _ / | + -';
  it.each([
    ['', form],
    ['repository:api', form],
    ['repository:api#owner', form],
    ['repository:api#owner@alice', form],
    ['repository:#owner@user:alice', form],
    ['repository:api@owner#user:alice', form],
    ['repository:a pi#owner@user:alice', form],
    ...['\ufeff', '\u00a0', '\v', '\f', '\u0085', '\u2003', '\u2028'].flatMap((odd): [string, string][] => [
      [
        `${odd}repository:api#owner@user:alice`,
        odd === '\u0085'
          ? 'type "\u0085repository" must be a SpiceDB definition name such as "document" or "acme/document"'
          : form,
      ],
      [
        `repository:api#owner@user:alice${odd}`,
        odd === '\u0085' ? 'id "alice\u0085" must be encoded: =XX for each byte outside A-Z a-z 0-9 _ / | + -' : form,
      ],
    ]),
    ['repository:api#owner@user:alice#member#x', form],
    ['repository:api#owner@user:alice extra', form],
    ['repository:api#owner@user:alice\nrepository:api#owner@user:bob', form],
    ['Repository:api#owner@user:alice', `type "Repository" ${definition}`],
    ['repository:api#owner@u:alice', `type "u" ${definition}`],
    ['repository:api#Owner@user:alice', `"Owner" ${member}`],
    ['repository:api#owner@team:core#m', `"m" ${member}`],
    ['repository:*#owner@user:alice', `id "*" ${coded}`],
    ['repository:api#owner@user:\u00fc', `id "\u00fc" ${coded}; write "=C3=BC"`],
    ['repository:api#owner@user:a,b', `id "a,b" ${coded}; write "a=2Cb"`],
    ['repository:api#owner@user:=2a', '"=2a" is not an encoded id; encoded it is "=3D2a"'],
    [
      'repository:api#owner@user:ann@example.com',
      `${form}: id "ann@example.com" ${coded}; write "ann=40example=2Ecom"`,
    ],
    ['user:ann@example.com#manager@user:bob', `${form}: id "ann@example.com" ${coded}; write "ann=40example=2Ecom"`],
    ['repository:api#owner@user:ann=40example.com', `id "ann=40example.com" ${coded}; write "ann=40example=2Ecom"`],
    ['repository:api#owner@user:=0A', 'id "=0A" must not contain control characters'],
    ['repository:api#owner@user:e=CC=81', 'id "e=CC=81" must be in Unicode normalization form C'],
    ['repository:api#owner@user:YWJj==', '"YWJj==" is not an encoded id; encoded it is "YWJj=3D=3D"'],
    [`repository:api#owner@user:${'a'.repeat(1025)}`, `id "${'a'.repeat(1025)}" ${coded}`],
    ['repository:api#owner@user:*#member', 'a wildcard subject has no relation'],
    ['repository:api#owner@user:alice[]', '"[]" is neither a caveat nor an expiration'],
    ['repository:api#owner@user:alice[Limit]', '"[Limit]" is neither a caveat nor an expiration'],
    ['repository:api#owner@user:alice[limit:[1]]', '"[limit:[1]]" is neither a caveat nor an expiration'],
    ['repository:api#owner@user:alice[limit', '"[limit" is neither a caveat nor an expiration'],
    ['repository:api#owner@user:alice[limit][other]', '"[limit][other]" is neither a caveat nor an expiration'],
    ['repository:api#owner@user:alice[limit:{a}]', '"{a}" is not a JSON object'],
    [
      'repository:api#owner@user:alice[expiration:soon]',
      '"soon" is not an instant such as 2030-01-01T00:00:00Z, to the millisecond at most',
    ],
    [
      'repository:api#owner@user:alice[expiration:2030-01-01T00:00:00Z][expiration:2031-01-01T00:00:00Z]',
      '"[expiration:2030-01-01T00:00:00Z]" is neither a caveat nor an expiration',
    ],
    [
      'repository:api#owner@user:alice[expiration:2030-01-01T00:00:00Z][limit]',
      '"[expiration:2030-01-01T00:00:00Z][limit]" is neither a caveat nor an expiration',
    ],
  ])('refuses %j', (text, message) => expect(() => parseRelationship(text)).toThrow(new TypeError(message)));

  it.each([
    ['a member given twice', '{"max":1,"max":2}', 'max is given twice'],
    ['a lone surrogate', '{"a":"\\ud800"}', 'a must be well-formed Unicode'],
    ['NUL', '{"a":"\\u0000"}', 'a must not contain NUL'],
    ['__proto__', '{"__proto__":{"a":1}}', '__proto__ is not an acceptable member name'],
    ['too many levels', `{"a":${'['.repeat(40)}${']'.repeat(40)}}`, 'a[0][0][0][0][0][0][0] is nested'],
    ['digits that a number loses', '{"x":1234567890123456789}', 'x is a number that reading would change'],
    ['a number too large', '{"x":[1,1e400]}', 'x[1] is a number that reading would change'],
  ])('reads the context of a caveat as strictly as any JSON: %s', (_, context, problem) => {
    expect(() => parseRelationship(`repository:api#owner@user:alice[limit:${context}]`)).toThrow(
      `"${context}" is not acceptable: ${problem}`,
    );
  });
});

const id = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .filter((text) => findIdProblem(text) === undefined);
const ref = fc.record({ type: fc.constantFrom('user', 'team', 'acme/doc'), id });
const relation = fc.constantFrom('member', 'owner', 'reports_to');
// Through JSON once, which knows no -0; and without the member name that is refused wherever it stands.
const context = fc
  .dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .map((object) => JSON.stringify(object))
  .filter((text) => !text.includes('"__proto__":'))
  .map((text) => JSON.parse(text) as Record<string, unknown>);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
const relationship: fc.Arbitrary<Relationship> = fc
  .record({
    resource: ref,
    relation,
    subject: ref,
    of: maybe(relation),
    wildcard: fc.boolean(),
    caveat: maybe(fc.record({ name: fc.constantFrom('limit', 'acme/on_duty'), context })),
    expiresAt: maybe(fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })),
  })
  .map(({ resource, relation: name, subject, of, wildcard, caveat, expiresAt }) => ({
    resource,
    relation: name,
    subject: wildcard ? { ...subject, id: '*' } : { ...subject, ...(of === undefined ? {} : { relation: of }) },
    ...(wildcard ? { wildcard } : {}),
    ...(caveat === undefined ? {} : { caveat }),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString().replace('.000Z', 'Z') }),
  }));

describe('parseStoredRelationship', () => {
  it.each([
    'repository:YWJj==#owner@user:alice',
    'repository:api#owner@team:=2a#member',
    'repository:e=CC=81#owner@user:=0A[limit:{"max":1}]',
  ])('keeps the ids of another application: %s', (text) =>
    expect(formatRelationship(parseStoredRelationship(text))).toBe(text),
  );

  it.each(['repository:a b#owner@user:alice', 'repository:*#owner@user:alice', 'nonsense'])('refuses %s', (text) =>
    expect(() => parseStoredRelationship(text)).toThrow(TypeError),
  );
});

describe('relationshipText', () => {
  it.each<[Relationship, string]>([
    [owner({ type: 'user', id: '*' }), 'repository:api#owner@user:=2A'],
    [owner({ type: 'user', id: '*' }, { wildcard: true }), 'repository:api#owner@user:*'],
    [
      owner({ type: 'team', id: 'a b', relation: 'member' }, { caveat: { name: 'limit', context: { max: 1 } } }),
      'repository:api#owner@team:a=20b#member[limit:{"max":1}]',
    ],
    [
      owner(
        { type: 'user', id: 'alice' },
        { caveat: { name: 'limit', context: {} }, expiresAt: '2030-01-01T00:00:00Z' },
      ),
      'repository:api#owner@user:alice[limit][expiration:2030-01-01T00:00:00Z]',
    ],
  ])('writes %j', (r, text) => expect(formatRelationship(r)).toBe(text));

  it('writes what parseRelationship reads', () => {
    fc.assert(
      fc.property(relationship, (r) => {
        expect(parseRelationship(formatRelationship(r))).toEqual(r);
      }),
      { numRuns: 500 },
    );
  });

  it('writes a line separator in the context of a caveat so that it can be read', () => {
    const r = owner({ type: 'user', id: 'alice' }, { caveat: { name: 'limit', context: { a: 'x\u2028y' } } });
    expect(parseRelationship(formatRelationship(r))).toEqual(r);
  });
});

describe('keys', () => {
  it('tell two relationships apart by everything but caveat and expiration', () => {
    fc.assert(
      fc.property(relationship, relationship, (a, b) => {
        const bare = (r: Relationship): unknown => ({ ...r, caveat: undefined, expiresAt: undefined });
        expect(relationshipKey({ ...a, caveat: b.caveat, expiresAt: b.expiresAt })).toBe(relationshipKey(a));
        const same = JSON.stringify(bare(a)) === JSON.stringify(bare(b));
        expect(relationshipKey(a) === relationshipKey(b)).toBe(same);
      }),
    );
  });

  it('tell a wildcard from a user called so', () => {
    const star = { type: 'user', id: '*' };
    expect(relationshipKey(owner(star))).not.toBe(relationshipKey(owner(star, { wildcard: true })));
  });

  it('tell two checks apart', () => {
    // Ids that would collide if they were only joined.
    const id = fc.string({ unit: fc.constantFrom(...Array.from('a:#@=*3A')), minLength: 1, maxLength: 6 });
    const type = fc.constantFrom('user', 'team');
    const ref = fc.record({ type, id });
    const check = fc.record({ resource: ref, permission: fc.constantFrom('view', 'edit'), subject: ref });
    fc.assert(
      fc.property(check, check, (a, b) => {
        expect(checkKey(a) === checkKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(
      checkKey({ resource: { type: 'doc', id: 'a:b' }, permission: 'view', subject: { type: 'user', id: '*' } }),
    ).toBe('doc:a=3Ab#view@user:=2A');
  });
});

describe('nameProblem', () => {
  it.each(['view', 'reports_to', 'a1b', `a${'b'.repeat(63)}`])('takes %s', (name) =>
    expect(findRelationNameProblem(name)).toBeUndefined(),
  );
  it.each(['', 'ab', 'View', 'view_', '_view', 'a-b', 'a/view', 'view\n', `a${'b'.repeat(64)}`])('refuses %j', (name) =>
    expect(findRelationNameProblem(name)).toBe('must be a SpiceDB relation or permission name such as "viewer"'),
  );
});

describe('instant', () => {
  it.each([
    ['2030-01-01T00:00:00Z', '2030-01-01T00:00:00Z'],
    ['2030-01-01T00:00:00.000Z', '2030-01-01T00:00:00Z'],
    ['2030-01-01T00:00:00.250Z', '2030-01-01T00:00:00.250Z'],
    ['2030-01-01T02:30:00+02:30', '2030-01-01T00:00:00Z'],
    ['2029-12-31T22:00:00-02:00', '2030-01-01T00:00:00Z'],
    ['2028-02-29T12:00:00Z', '2028-02-29T12:00:00Z'],
  ])('reads %s as %s', (text, utc) => expect(toUtcInstant(text)).toBe(utc));

  it.each([
    '',
    'tomorrow',
    '2030-01-01',
    '2030-01-01T00:00:00',
    '2030-01-01 00:00:00Z',
    '2030-01-01T00:00Z',
    '2030-13-01T00:00:00Z',
    '2030-01-32T00:00:00Z',
    '2030-01-01T25:00:00Z',
    '2030-01-01T00:00:60Z',
    '2030-01-01T00:00:00+25:00',
    '2030-01-01T00:00:00Z\n',
    '1969-12-31T23:59:59Z',
    '9999-12-31T23:59:59-01:00',
    // What is cut off would end a delegation earlier or later than was asked for.
    '2030-01-01T00:00:00.0001Z',
    '2030-01-01T00:00:00.999999999Z',
    // Days and hours that the calendar doesn't have must not become other ones.
    '2030-02-30T00:00:00Z',
    '2029-02-29T00:00:00Z',
    '2030-04-31T00:00:00Z',
    '2030-01-01T24:00:00Z',
  ])('refuses %j', (text) => {
    expect(() => toUtcInstant(text)).toThrow(
      new TypeError(`"${text}" is not an instant such as 2030-01-01T00:00:00Z, to the millisecond at most`),
    );
  });
});
