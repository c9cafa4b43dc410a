/**
 * Searching: on what, who, and what. Candidates come from the graph or the schema, and each is judged by the steps of a
 * decision, so what is found is exactly what single questions would be allowed. One record says what was asked.
 */
import { v7 as uuid } from 'uuid';
import { open, type Begun, type Deciding } from './decide.js';
import type { FoundSubjects, RelationshipFilter, SubjectLookup } from './engines/spicedb/port.js';
import { foreseeEach } from './list.js';
import type { SearchRecord } from './model/decision.js';
import { BadRequest } from './model/faults.js';
import { callerId, type Question } from './model/question.js';
import type { Relationship } from './model/relationships.js';
import { reach } from './steps/relationship.js';

export interface Searching extends Deciding {
  readonly entities: Deciding['entities'] & { ids(type: string): Promise<readonly string[]> };
}

/** By code points: the order of every list of candidates. */
export function inOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** On what the permission is held that the action asks for; none where the question could only be denied. @throws Fault */
export async function candidateResources(question: Question, using: Searching): Promise<readonly string[]> {
  const established = (await opened(question, using)).established;
  if (established === undefined) return [];
  const lookup = reach(established);
  try {
    return (await using.relationships.lookupResources(lookup, question.consistency)).ids;
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    // Too deep a graph, or one that goes in a circle: single checks may still be answered, so each is asked.
    const all = await allRelationships({ resourceType: lookup.resourceType }, using, error);
    return distinct(all.map((r) => r.resource.id));
  }
}

/** @throws BadRequest where the question itself is at fault; Fault where it can't be told */
async function opened(question: Question, using: Searching): Promise<Begun> {
  const [begun] = await open([question], using);
  if (begun === undefined || begun instanceof BadRequest) throw begun ?? new TypeError('nothing was opened');
  return begun;
}

/** How many relationships are read where SpiceDB won't look up. */
const MAX_READ = 20_000;

/** @throws `otherwise` where there are more than can be read */
async function allRelationships(
  filter: RelationshipFilter,
  { relationships }: Searching,
  otherwise: Error,
): Promise<readonly Relationship[]> {
  const found = await relationships.read(filter, MAX_READ + 1);
  if (found.length > MAX_READ) throw otherwise;
  return found;
}

function distinct(ids: readonly string[]): readonly string[] {
  return [...new Set(ids)].sort(inOrder);
}

/**
 * Who might be allowed: with a token those whom it names, else those who hold the permission.
 * @throws Fault
 */
export async function candidateSubjects(question: Question, using: Searching): Promise<readonly string[]> {
  const { userObject, agentObject, find } = using.rules().vocabulary;
  const { type } = question.subject;
  if (question.token !== undefined) {
    const { credential } = (await opened(question, using)).opening;
    if (credential === undefined || !('ok' in credential) || !credential.ok) return [];
    const { user, actors } = credential.token;
    const named = type === agentObject ? actors[0]?.id : type === userObject ? user : undefined;
    return named === undefined ? [] : [named];
  }
  const on = find(question.action.name, question.resource.type);
  const { graph } = using.rules();
  if (on === undefined || !graph.hasDefinition(type)) return [];
  const { permission } = on.action;
  const resource = { type: question.resource.type, id: question.resource.id };
  const context = contextFor(question, graph.caveatParameters(resource.type, permission));
  const lookup = { resource, permission, subjectType: type, context };
  const { ids, everyoneBut } = await lookedUp(lookup, question, using);
  if (everyoneBut === undefined) return ids;
  // Of everybody only those can be named who are known.
  const known = (await using.entities.ids(type)).filter((id) => !everyoneBut.includes(id));
  return distinct([...ids, ...known]);
}

async function lookedUp(lookup: SubjectLookup, question: Question, using: Searching): Promise<FoundSubjects> {
  try {
    return await using.relationships.lookupSubjects(lookup, question.consistency);
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    const { subjectType } = lookup;
    const ids: string[] = [];
    for (const resourceType of using.rules().graph.definitionNames())
      for (const { subject, wildcard } of await allRelationships({ resourceType, subjectType }, using, error))
        if (wildcard !== true) ids.push(subject.id);
    return { ids: distinct(ids), everyoneBut: [] };
  }
}

function contextFor({ context }: Question, parameters: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(parameters.filter((p) => Object.hasOwn(context, p)).map((p) => [p, context[p]]));
}

/** Candidates judged at one time, and in one search: where it stops, the next page goes on. */
const AT_ONCE = 250;
export const MAX_LOOKED = 2000;

export interface Found {
  readonly results: readonly string[];
  /** The candidate after which the next page begins; undefined where nothing is left. */
  readonly after: string | undefined;
}

/**
 * The first of the candidates that would be allowed, in their order.
 * @param candidates after the page before, in a stable order
 * @throws Fault where one can't be decided: what is found must be all there is
 */
export async function firstAllowed(
  candidates: readonly string[],
  limit: number,
  ask: (candidate: string) => Question,
  using: Deciding,
): Promise<Found> {
  const results: string[] = [];
  for (let from = 0; from < candidates.length; from += AT_ONCE) {
    const group = candidates.slice(from, from + AT_ONCE);
    const foreseen = await foreseeEach(group.map(ask), using);
    for (const [i, candidate] of group.entries()) {
      const one = foreseen[i];
      if (one instanceof BadRequest) throw one;
      if (one?.allowed !== true) continue;
      const last = results.at(-1);
      // One more than fits: only then is there another page, and an empty one is never promised.
      if (results.length === limit && last !== undefined) return { results, after: last };
      results.push(candidate);
    }
    const looked = from + group.length;
    if (looked >= MAX_LOOKED && looked < candidates.length) return { results, after: candidates[looked - 1] };
  }
  return { results, after: undefined };
}

/** @throws Fault: what isn't on record isn't answered */
export async function recordSearch(
  search: SearchRecord['search'],
  request: SearchRecord['request'],
  asked: Question,
  found: number,
  using: Deciding,
): Promise<void> {
  await using.decisions.record({
    id: uuid(),
    evaluated_at: using.now().toISOString(),
    client: callerId(asked.caller),
    decision: found > 0,
    policy_version: using.rules().version,
    search,
    request: { ...request, ...(asked.requestId === undefined ? {} : { request_id: asked.requestId }) },
    found,
  });
}
