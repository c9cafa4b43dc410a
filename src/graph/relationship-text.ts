/**
 * Relationships and checks as text, with encoded ids:
 * `repository:api#owner@team:core#member[expiration:2030-01-01T00:00:00Z]`.
 */
import { decodeId, encodeId, idProblem, typeProblem } from '../model/ids.js';
import { instantOf } from '../model/instants.js';
import { type Relationship, type Check, nameProblem } from '../model/relationships.js';
import { parseJson } from '../runtime/strict-json.js';

const FORM =
  /^(?<rt>[^:#@[\]\s]+):(?<ri>[^:#@[\]\s]+)#(?<rel>[^:#@[\]\s]+)@(?<st>[^:#@[\]\s]+):(?<si>[^:#@[\]\s]+)(?:#(?<sr>[^:#@[\]\s]+))?(?<rest>\[.*)?$/s;
/** SpiceDB's character set for ids; anything else in text must have been encoded by the writer. */
const ENCODED = /^[A-Za-z0-9_/|+=-]{1,1024}$/;
/** @throws TypeError with a sentence for people if `text` isn't a relationship. */
export function parseRelationship(text: string): Relationship {
  const parts = FORM.exec(text.trim())?.groups;
  if (parts === undefined) {
    throw new TypeError('is not a relationship of the form "document:plan#viewer@user:ann"');
  }
  const { rt = '', ri = '', rel = '', st = '', si = '', sr, rest } = parts;
  const wildcard = si === '*';
  if (wildcard && sr !== undefined) throw new TypeError('a wildcard subject has no relation');
  return {
    resource: { type: typeName(rt), id: textId(ri) },
    relation: memberName(rel),
    subject: {
      type: typeName(st),
      id: wildcard ? '*' : textId(si),
      ...(sr === undefined || sr === '...' ? {} : { relation: memberName(sr) }),
    },
    ...(wildcard ? { wildcard } : {}),
    ...traits(rest ?? ''),
  };
}

export function relationshipText(r: Relationship): string {
  const subject = `${r.subject.type}:${r.wildcard === true ? '*' : encodeId(r.subject.id)}`;
  const userset = r.subject.relation === undefined ? '' : `#${r.subject.relation}`;
  const caveat =
    r.caveat === undefined
      ? ''
      : `[${r.caveat.name}${Object.keys(r.caveat.context).length === 0 ? '' : `:${JSON.stringify(r.caveat.context)}`}]`;
  const expiry = r.expiresAt === undefined ? '' : `[expiration:${r.expiresAt}]`;
  return `${r.resource.type}:${encodeId(r.resource.id)}#${r.relation}@${subject}${userset}${caveat}${expiry}`;
}

/** What SpiceDB takes for the identity of a relationship: everything but its caveat and expiration. */
export function relationshipKey(r: Relationship): string {
  return relationshipText({ resource: r.resource, relation: r.relation, subject: r.subject, wildcard: r.wildcard });
}

export function checkKey(check: Check): string {
  const { resource, permission, subject } = check;
  return `${resource.type}:${encodeId(resource.id)}#${permission}@${subject.type}:${encodeId(subject.id)}`;
}

/** The check whose {@link checkKey} it is; undefined of a text that is none. */
export function checkOf(key: string): Check | undefined {
  try {
    const { resource, relation, subject } = parseRelationship(key);
    return { resource, permission: relation, subject: { type: subject.type, id: subject.id } };
  } catch {
    return undefined;
  }
}

/** The same instant in UTC. @throws TypeError unless `text` is one of RFC 3339, from 1970 to 9999. */
export function instant(text: string): string {
  const at = instantOf(text);
  if (at === undefined || at.getTime() < 0)
    throw new TypeError(`"${text}" is not an instant such as 2030-01-01T00:00:00Z`);
  return at.toISOString().replace('.000Z', 'Z');
}

function typeName(text: string): string {
  const problem = typeProblem(text);
  if (problem !== undefined) throw new TypeError(`type "${text}" ${problem}`);
  return text;
}

function memberName(text: string): string {
  const problem = nameProblem(text);
  if (problem !== undefined) throw new TypeError(`"${text}" ${problem}`);
  return text;
}

function textId(text: string): string {
  if (!ENCODED.test(text)) {
    throw new TypeError(`id "${text}" must be encoded: =XX for each byte outside A-Z a-z 0-9 _ / | + -`);
  }
  const id = decodeId(text);
  const problem = idProblem(id);
  if (problem !== undefined) throw new TypeError(`id "${text}" ${problem}`);
  return id;
}

/** The bracketed tail: `[caveat:{"a":1}]`, then `[expiration:…]`, each at most once. */
function traits(rest: string): Pick<Relationship, 'caveat' | 'expiresAt'> {
  const [, before = '', expiration] = /^(.*?)(?:\[expiration:([^\]"]+)\])?$/s.exec(rest) ?? [];
  const caveat = /^\[([a-z0-9_/]+)(?::(\{.*\}))?\]$/s.exec(before);
  if (before !== '' && caveat === null) throw new TypeError(`"${before}" is neither a caveat nor an expiration`);
  return {
    ...(caveat === null ? {} : { caveat: { name: caveat[1] ?? '', context: caveatContext(caveat[2]) } }),
    ...(expiration === undefined ? {} : { expiresAt: instant(expiration) }),
  };
}

function caveatContext(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    return parseJson(text) as Record<string, unknown>;
  } catch (error) {
    throw new TypeError(`"${text}" is not a JSON object`, { cause: error });
  }
}
