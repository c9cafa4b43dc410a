/** Candidates: what a search looks at. They come from the graph or the schema, are too many and never too few. */
import { openOne, type Deciding } from '../decide/decide.js';
import type { FoundSubjects, RelationshipFilter, SubjectLookup } from '../graph/port.js';
import { BadRequest, Fault, type FaultCode } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { Question } from '../model/question.js';
import type { Relationship } from '../model/relationships.js';
import { DELEGATOR } from '../policy/schema/vocabulary.js';
import { reach, type Reach } from '../decide/steps/relationship.js';
import { caveatContext } from '../decide/step.js';
import { verified } from '../decide/bound-question.js';

export interface Searching extends Deciding {
  readonly entities: Deciding['entities'] & { ids(type: string): Promise<readonly string[]> };
}

/** Deadlines that looking for candidates may take: a lookup that finds no end, and then reading in its place. */
export const LOOKING = 3;

/** By code points: the order of every list of candidates. */
export function inOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** On what the permission is held that the action asks for; none where the question could only be denied. @throws Fault */
export async function candidateResources(question: Question, using: Searching): Promise<readonly string[]> {
  const { established } = await openOne(question, using);
  if (established === undefined) return [];
  return heldBy(reach(established), question, using);
}

/** @throws Fault */
async function heldBy(lookup: Reach, question: Question, using: Searching): Promise<readonly string[]> {
  try {
    const timed = { ...lookup, withinMs: using.deadlineMs };
    return (await using.relationships.lookupResources(timed, question.consistency)).ids;
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
    const all = await allRelationships({ resourceType: lookup.resourceType }, using, error);
    return distinct(all.map((r) => r.resource.id));
  }
}

const BEYOND: readonly FaultCode[] = ['deadline_exceeded', 'overloaded'];

/** Too deep a graph, or one that goes in a circle: single checks may still be answered, so each is asked. */
function isBeyondLookup(error: unknown): error is Error {
  return error instanceof BadRequest || (error instanceof Fault && BEYOND.includes(error.code));
}

/** How many relationships are read where SpiceDB won't look up. */
const MAX_READ = 20_000;

/** @throws Fault where there are more than can be read */
async function allRelationships(
  filter: RelationshipFilter,
  { relationships }: Searching,
  cause: Error,
): Promise<readonly Relationship[]> {
  const found = await relationships.read(filter, MAX_READ + 1);
  if (found.length > MAX_READ)
    throw new Fault('relationships_unavailable', 'not looked up, and too many to read', { cause });
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
    const token = verified((await openOne(question, using)).opening)?.token;
    const named = type === agentObject ? token?.actors[0]?.id : type === userObject ? token?.user : undefined;
    return named === undefined ? [] : [named];
  }
  const on = find(question.action.name, question.resource.type);
  const rules = using.rules();
  if (on === undefined || !rules.graph.hasDefinition(type)) return [];
  const { permission } = on.action;
  const resource = { type: question.resource.type, id: question.resource.id };
  const context = caveatContext(question, rules, resource.type, permission);
  const lookup = { resource, permission, subjectType: type, context, withinMs: using.deadlineMs };
  const { ids, everyoneBut } = await lookedUp(lookup, question, using);
  if (everyoneBut === undefined) return ids;
  // Of everybody only those can be named who are known.
  const left = new Set(everyoneBut);
  const known = (await using.entities.ids(type)).filter((id) => !left.has(id));
  return distinct([...ids, ...known]);
}

/** How many agents are followed. */
const MAX_AGENTS = 1000;

/** The agents that may act for the user, on a delegation of theirs or one that was passed on. @throws Fault */
export async function candidateAgents(
  user: EntityRef,
  question: Question,
  using: Searching,
): Promise<readonly string[]> {
  const { agentObject, delegationPasses } = using.rules().vocabulary;
  if (agentObject === undefined) return [];
  const context = caveatContext(question, using.rules(), agentObject, DELEGATOR);
  const lookup = { resourceType: agentObject, permission: DELEGATOR, subject: user, context };
  const found = new Set(await heldBy(lookup, question, using));
  let from = delegationPasses ? [...found] : [];
  while (from.length > 0) {
    if (found.size > MAX_AGENTS) throw new BadRequest('has more agents than are followed', 'subject');
    const next: string[] = [];
    for (const subjectId of from) {
      // Agents name each other singly, never by what they are members of.
      const filter = { resourceType: agentObject, relation: DELEGATOR, subjectType: agentObject, subjectId };
      for (const { resource } of await using.relationships.read(filter, MAX_AGENTS + 1)) {
        if (!found.has(resource.id)) next.push(resource.id);
        found.add(resource.id);
      }
    }
    from = next;
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
