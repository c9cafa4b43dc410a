/** Candidates: what a search looks at. They come from the graph or the schema, are too many and never too few. */
import { open, type Begun, type Deciding } from '../decide.js';
import type { FoundSubjects, RelationshipFilter, SubjectLookup } from '../engines/spicedb/port.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { Question } from '../model/question.js';
import type { Relationship } from '../model/relationships.js';
import { DELEGATOR } from '../rules/vocabulary.js';
import { reach } from '../steps/relationship.js';

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
  const lookup = { ...reach(established), withinMs: using.deadlineMs };
  try {
    return (await using.relationships.lookupResources(lookup, question.consistency)).ids;
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
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

/** Too deep a graph, or one that goes in a circle: single checks may still be answered, so each is asked. */
function isBeyondLookup(error: unknown): error is Error {
  return error instanceof BadRequest || (error instanceof Fault && error.code === 'deadline_exceeded');
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
  const lookup = { resource, permission, subjectType: type, context, withinMs: using.deadlineMs };
  const { ids, everyoneBut } = await lookedUp(lookup, question, using);
  if (everyoneBut === undefined) return ids;
  // Of everybody only those can be named who are known.
  const known = (await using.entities.ids(type)).filter((id) => !everyoneBut.includes(id));
  return distinct([...ids, ...known]);
}

/** How many agents are asked what was passed on to by them. */
const MAX_PASSING = 1000;

/** The agents that may act for the user, on a delegation of theirs or one that was passed on. @throws Fault */
export async function candidateAgents(
  user: EntityRef,
  question: Question,
  using: Searching,
): Promise<readonly string[]> {
  const { agentObject, delegationPasses } = using.rules().vocabulary;
  if (agentObject === undefined) return [];
  const context = contextFor(question, using.rules().graph.caveatParameters(agentObject, DELEGATOR));
  const found = new Set<string>();
  let from: readonly EntityRef[] = [user];
  while (from.length > 0) {
    if (found.size > MAX_PASSING) throw new BadRequest('has more agents than are followed', 'subject');
    const lookups = from.map((subject) => ({
      resourceType: agentObject,
      permission: DELEGATOR,
      subject,
      context,
      withinMs: using.deadlineMs,
    }));
    const next = (await Promise.all(lookups.map((l) => using.relationships.lookupResources(l, question.consistency))))
      .flatMap(({ ids }) => ids)
      .filter((id) => !found.has(id));
    for (const id of next) found.add(id);
    from = delegationPasses ? [...new Set(next)].map((id) => ({ type: agentObject, id })) : [];
  }
  return distinct([...found]);
}

async function lookedUp(lookup: SubjectLookup, question: Question, using: Searching): Promise<FoundSubjects> {
  try {
    return await using.relationships.lookupSubjects(lookup, question.consistency);
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
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
