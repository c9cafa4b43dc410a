/**
 * Reads and writes relationships and checks as text, with encoded ids, for the API, world files and records:
 * `repository:api#owner@team:core#member[expiration:2030-01-01T00:00:00Z]`.
 */
import {
  completeEncoding,
  decodeId,
  encodeId,
  findTypeProblem,
  parseEncodedId,
  MAX_ENCODED_ID_BYTES,
  SPICEDB_ID,
} from '../model/ids.js';
import { parseInstant } from '../model/instants.js';
import { type Relationship, type Check, findRelationNameProblem } from '../model/relationships.js';
import { StrictJsonError, parseStrictJson } from '../runtime/strict-json.js';
import { trimBlanks } from '../runtime/trim-blanks.js';

const RELATIONSHIP_PATTERN =
  /^(?<rt>[^:#@[\]\s]+):(?<ri>[^:#@[\]\s]+)#(?<rel>[^:#@[\]\s]+)@(?<st>[^:#@[\]\s]+):(?<si>[^:#@[\]\s]+)(?:#(?<sr>[^:#@[\]\s]+))?(?<rest>\[.*)?$/s;

/** @throws TypeError with a message for people where the text isn't a relationship, or an id in it is foreign */
export function parseRelationship(text: string): Relationship {
  return parseWithIds(text, parseEncodedId);
}

/** Parses what SpiceDB may hold: foreign ids are kept as they are. @throws TypeError as `parseRelationship` does */
export function parseStoredRelationship(text: string): Relationship {
  return parseWithIds(text, decodeId);
}

function parseWithIds(text: string, parseId: (encoded: string) => string): Relationship {
  const parts = RELATIONSHIP_PATTERN.exec(trimBlanks(text))?.groups;
  if (parts === undefined) throw new TypeError(describeForm(text));
  const { rt = '', ri = '', rel = '', st = '', si = '', sr, rest } = parts;
  const wildcard = si === '*';
  if (wildcard && sr !== undefined) throw new TypeError('a wildcard subject has no relation');
  return {
    resource: { type: requireTypeName(rt), id: parseId(requireIdCharacters(ri)) },
    relation: requireMemberName(rel),
    subject: {
      type: requireTypeName(st),
      id: wildcard ? '*' : parseId(requireIdCharacters(si)),
      ...(sr === undefined || sr === '...' ? {} : { relation: requireMemberName(sr) }),
    },
    ...(wildcard ? { wildcard } : {}),
    ...parseTraits(rest ?? ''),
  };
}

export function formatRelationship(relationship: Relationship): string {
  const { resource, relation, subject, wildcard, caveat, expiresAt } = relationship;
  let text = `${resource.type}:${encodeId(resource.id)}#${relation}`;
  text += `@${subject.type}:${wildcard === true ? '*' : encodeId(subject.id)}`;
  if (subject.relation !== undefined) text += `#${subject.relation}`;
  if (caveat !== undefined) {
    const hasContext = Object.keys(caveat.context).length > 0;
    text += `[${caveat.name}${hasContext ? `:${JSON.stringify(caveat.context)}` : ''}]`;
  }
  if (expiresAt !== undefined) text += `[expiration:${expiresAt}]`;
  return text;
}

/** The identity that a relationship has for SpiceDB: everything but its caveat and expiration. */
export function relationshipKey(relationship: Relationship): string {
  return formatRelationship({
    resource: relationship.resource,
    relation: relationship.relation,
    subject: relationship.subject,
    wildcard: relationship.wildcard,
  });
}

export function checkKey(check: Check): string {
  const { resource, permission, subject } = check;
  return `${resource.type}:${encodeId(resource.id)}#${permission}@${subject.type}:${encodeId(subject.id)}`;
}

/** The check that has this {@link checkKey}; undefined where the text is none. */
export function parseCheckKey(key: string): Check | undefined {
  try {
    const { resource, relation, subject } = parseStoredRelationship(key);
    return { resource, permission: relation, subject: { type: subject.type, id: subject.id } };
  } catch {
    return undefined;
  }
}

/** The instant in UTC. @throws TypeError unless the text is an RFC 3339 instant from 1970 to 9999 */
export function toUtcInstant(text: string): string {
  const date = parseInstant(text);
  if (date === undefined || date.getTime() < 0)
    throw new TypeError(`"${text}" is not an instant such as 2030-01-01T00:00:00Z, to the millisecond at most`);
  return date.toISOString().replace('.000Z', 'Z');
}

function requireTypeName(text: string): string {
  const problem = findTypeProblem(text);
  if (problem !== undefined) throw new TypeError(`type "${text}" ${problem}`);
  return text;
}

function requireMemberName(text: string): string {
  const problem = findRelationNameProblem(text);
  if (problem !== undefined) throw new TypeError(`"${text}" ${problem}`);
  return text;
}

function requireIdCharacters(text: string): string {
  if (SPICEDB_ID.test(text)) return text;
  throw new TypeError(describeUnencodedId(text));
}

/** A relationship whose ids may have any character, as people write those that aren't encoded. */
const UNENCODED_PATTERN =
  /^[a-z][a-z0-9_/]*:(?<ri>[^\s[\]]+?)#[a-z][a-z0-9_]*@[a-z][a-z0-9_/]*:(?<si>[^\s#[\]]+)(?:#[a-z][a-z0-9_.]*)?(?:\[.*)?$/s;

const VISIBLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;

function describeForm(text: string): string {
  const { ri = '', si = '' } = UNENCODED_PATTERN.exec(trimBlanks(text))?.groups ?? {};
  const unencoded = [ri, si].find((id) => id !== '' && id !== '*' && !SPICEDB_ID.test(id));
  const form = 'is not a relationship of the form "document:plan#viewer@user:ann"';
  return unencoded === undefined ? form : `${form}: ${describeUnencodedId(unencoded)}`;
}

function describeUnencodedId(id: string): string {
  const rule = 'must be encoded: =XX for each byte outside A-Z a-z 0-9 _ / | + -';
  // A blank or an invisible character is hardly meant, the wildcard is none here, and a long id is too long as it is.
  const isMeant = VISIBLE.test(id) && id !== '*' && id.length <= MAX_ENCODED_ID_BYTES;
  return `id "${id}" ${rule}${isMeant ? `; write "${completeEncoding(id)}"` : ''}`;
}

/** The bracketed tail: `[caveat:{"a":1}]`, then `[expiration:…]`, each at most once. */
function parseTraits(rest: string): Pick<Relationship, 'caveat' | 'expiresAt'> {
  const [, caveatText = '', expiration] = /^(.*?)(?:\[expiration:([^\]"]+)\])?$/s.exec(rest) ?? [];
  const caveat = /^\[([a-z0-9_/]+)(?::(\{.*\}))?\]$/s.exec(caveatText);
  if (caveatText !== '' && caveat === null)
    throw new TypeError(`"${caveatText}" is neither a caveat nor an expiration`);
  return {
    ...(caveat === null ? {} : { caveat: { name: caveat[1] ?? '', context: parseCaveatContext(caveat[2]) } }),
    ...(expiration === undefined ? {} : { expiresAt: toUtcInstant(expiration) }),
  };
}

function parseCaveatContext(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    return parseStrictJson(text) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const problem = error.path === '' ? 'is not a JSON object' : `is not acceptable: ${error.path} ${error.message}`;
    throw new TypeError(`"${text}" ${problem}`, { cause: error });
  }
}
