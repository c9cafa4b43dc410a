/** Relationships as JSON, with raw ids: the route for relationships reads and answers them. */
import { z } from 'zod';
import { formatRelationship, toUtcInstant } from '../graph/relationship-text.js';
import { encodeId, findTypeProblem, isForeignId } from '../model/ids.js';
import { findRelationNameProblem, type Relationship } from '../model/relationships.js';
import { idFormat } from './authzen-formats.js';

const checkedString = (problem: (text: string) => string | undefined, description: string) =>
  z
    .string()
    .superRefine((value, ctx) => {
      const message = problem(value);
      if (message !== undefined) ctx.addIssue({ code: 'custom', message });
    })
    .describe(description);
export const typeFormat = checkedString(findTypeProblem, 'SpiceDB definition');
export const relationFormat = checkedString(findRelationNameProblem, 'Relation');

const wildcardMember = {
  wildcard: z.literal(true).optional().describe('Every subject of the type: the id is "*", which otherwise is a name'),
};
export const relationshipJsonFormat = z.strictObject({
  resource: z.strictObject({ type: typeFormat, id: idFormat }),
  relation: relationFormat,
  subject: z.strictObject({ type: typeFormat, id: idFormat, relation: relationFormat.optional(), ...wildcardMember }),
  caveat: z
    .strictObject({ name: z.string().min(1).max(128), context: z.record(z.string(), z.unknown()).default({}) })
    .optional(),
  expires_at: z.string().optional(),
});
export const relationshipFormat = z
  .union([z.string().min(1).max(4096), relationshipJsonFormat])
  .describe('As text, with encoded ids ("repository:api#owner@team:core#member"), or as JSON with raw ids');

/** Members of stored relationships: another application may have written them, with ids of its own kind. */
const storedIdMembers = {
  id: z.string().optional().describe('Raw; left out where encoded_id stands for it'),
  encoded_id: z.string().optional().describe("As SpiceDB has it, where that isn't an id as Remit encodes them"),
};
export const storedRelationshipFormat = relationshipJsonFormat.extend({
  relationship: z.string().describe('The same as text, which a delete takes as it is'),
  resource: z.strictObject({ type: z.string(), ...storedIdMembers }),
  subject: z.strictObject({
    type: z.string(),
    ...storedIdMembers,
    relation: z.string().optional(),
    ...wildcardMember,
  }),
});
/** @throws TypeError where the JSON is no relationship, or an instant in it is none */
export function fromRelationshipJson(json: z.infer<typeof relationshipJsonFormat>): Relationship {
  const { expires_at, caveat, subject, ...rest } = json;
  const { wildcard, ...subjectRef } = subject;
  if (wildcard === true && (subject.id !== '*' || subject.relation !== undefined))
    throw new TypeError('has a wildcard subject, whose id is "*" and which has no relation');
  return {
    ...rest,
    subject: subjectRef,
    ...(wildcard === undefined ? {} : { wildcard }),
    ...(caveat === undefined ? {} : { caveat }),
    ...(expires_at === undefined ? {} : { expiresAt: toUtcInstant(expires_at) }),
  };
}

export function toRelationshipJson(r: Relationship): z.infer<typeof storedRelationshipFormat> {
  return {
    relationship: formatRelationship(r),
    resource: { type: r.resource.type, ...toIdMembers(r.resource.id) },
    relation: r.relation,
    subject: {
      type: r.subject.type,
      ...toIdMembers(r.subject.id),
      ...(r.subject.relation === undefined ? {} : { relation: r.subject.relation }),
      ...(r.wildcard === true ? { wildcard: true } : {}),
    },
    ...(r.caveat === undefined ? {} : { caveat: r.caveat }),
    ...(r.expiresAt === undefined ? {} : { expires_at: r.expiresAt }),
  };
}

function toIdMembers(id: string): { readonly id: string } | { readonly encoded_id: string } {
  return isForeignId(id) ? { encoded_id: encodeId(id) } : { id };
}
