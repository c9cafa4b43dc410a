/** Relationships as JSON: what is shown can be written as it is shown, and no two are confused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fromRelationshipJson,
  relationshipJsonFormat,
  storedRelationshipFormat,
  toRelationshipJson,
} from '../../src/http/relationship-json.js';
import { formatRelationship, parseStoredRelationship } from '../../src/graph/relationship-text.js';
import { decodeId, isForeignId } from '../../src/model/ids.js';
import type { Relationship } from '../../src/model/relationships.js';

const spicedbId = fc.oneof(
  fc.string({ unit: fc.constantFrom(...Array.from('=23ABCDEFabc/|+-_')), minLength: 1, maxLength: 6 }),
  fc.constantFrom('=2A', 'YWJj==', '=c3=bc', '=C3=BC', '=0A', 'alice'),
);
const relationship: fc.Arbitrary<Relationship> = fc
  .record({
    resourceId: spicedbId,
    subjectId: spicedbId,
    userset: fc.boolean(),
    wildcard: fc.boolean(),
    expires: fc.boolean(),
    caveated: fc.boolean(),
  })
  .map(({ resourceId, subjectId, userset, wildcard, expires, caveated }) => ({
    resource: { type: 'team', id: decodeId(resourceId) },
    relation: 'member',
    subject: wildcard
      ? { type: 'user', id: '*' }
      : { type: 'team', id: decodeId(subjectId), ...(userset ? { relation: 'member' } : {}) },
    ...(wildcard ? { wildcard } : {}),
    ...(caveated ? { caveat: { name: 'limit', context: { max: 1 } } } : {}),
    ...(expires ? { expiresAt: '2030-01-01T00:00:00Z' } : {}),
  }));

describe('a relationship as JSON', () => {
  it.each([
    ['team:core#member@user:=2A', { type: 'user', id: '*' }],
    ['team:core#member@user:*', { type: 'user', id: '*', wildcard: true }],
    ['team:core#member@user:=c3=bc', { type: 'user', encoded_id: '=c3=bc' }],
    ['team:core#member@user:=C3=BC', { type: 'user', id: '\u00fc' }],
  ])('says of %s which subject it is', (text, subject) => {
    const json = toRelationshipJson(parseStoredRelationship(text));
    expect(json).toEqual({
      relationship: text,
      resource: { type: 'team', id: 'core' },
      relation: 'member',
      subject,
    });
  });

  it.each([
    ['another id', { type: 'user', id: 'ann', wildcard: true }],
    ['a relation', { type: 'user', id: '*', relation: 'member', wildcard: true }],
  ])('is refused with a wildcard that has %s', (_, subject) => {
    const json = relationshipJsonFormat.parse({ resource: { type: 'team', id: 'core' }, relation: 'member', subject });
    expect(() => fromRelationshipJson(json)).toThrow(
      new TypeError('has a wildcard subject, whose id is "*" and which has no relation'),
    );
  });

  it('fits its format, is told from every other, and is read back where its ids are our own', () => {
    fc.assert(
      fc.property(relationship, relationship, (a, b) => {
        const { relationship: text, ...json } = storedRelationshipFormat.parse(toRelationshipJson(a));
        expect(text).toBe(formatRelationship(a));
        expect(parseStoredRelationship(text)).toEqual(a);
        const { relationship: otherText, ...otherJson } = toRelationshipJson(b);
        expect(JSON.stringify(json) === JSON.stringify(otherJson)).toBe(text === otherText);
        const isForeign = [a.resource.id, a.subject.id].some(isForeignId);
        const reading = relationshipJsonFormat.safeParse(json);
        expect(reading.success).toBe(!isForeign);
        if (reading.success) expect(fromRelationshipJson(reading.data)).toEqual(a);
      }),
      { numRuns: 500 },
    );
  });
});
