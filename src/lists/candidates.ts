/** Candidates: what a search looks at. They come from the graph or the schema, are too many and never too few. */
import { startDecision, type DecisionDeps } from '../decide/decide.js';
import type { SubjectLookupResult, RelationshipFilter, SubjectLookup } from '../graph/port.js';
import { BadRequest, Fault, type FaultCode } from '../model/faults.js';
import type { EntityRef } from '../model/ids.js';
import type { Question } from '../model/question.js';
import type { Relationship } from '../model/relationships.js';
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import { buildGateLookup, type GateLookup } from '../decide/steps/relationship.js';
import { selectCaveatContext } from '../decide/step.js';
import { getVerifiedCredential } from '../decide/bound-question.js';

export interface SearchDeps extends DecisionDeps {
  readonly entities: DecisionDeps['entities'] & { ids(type: string): Promise<readonly string[]> };
}

/** Deadlines that looking for candidates may take: a lookup that finds no end, and then reading in its place. */
export const CANDIDATE_DEADLINES = 3;

/** By code points: the order of every list of candidates. */
export function compareByCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** On what the permission is held that the action asks for; none where the question could only be denied. @throws Fault */
export async function findCandidateResources(question: Question, deps: SearchDeps): Promise<readonly string[]> {
  const { bound } = await startDecision(question, deps);
  if (bound === undefined) return [];
  return lookUpResources(buildGateLookup(bound), question, deps);
}

/** @throws Fault */
async function lookUpResources(lookup: GateLookup, question: Question, deps: SearchDeps): Promise<readonly string[]> {
  try {
    const request = { ...lookup, withinMs: deps.deadlineMs };
    return (await deps.relationships.lookupResources(request, question.consistency)).ids;
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
    const relationships = await readAllRelationships({ resourceType: lookup.resourceType }, deps, error);
    return sortDistinct(relationships.map((r) => r.resource.id));
  }
}

const BEYOND_LOOKUP: readonly FaultCode[] = ['deadline_exceeded', 'overloaded'];

/** Too deep a graph, or one that goes in a circle: single checks may still be answered, so each is asked. */
function isBeyondLookup(error: unknown): error is Error {
  return error instanceof BadRequest || (error instanceof Fault && BEYOND_LOOKUP.includes(error.code));
}

/** How many relationships are read where SpiceDB won't look up. */
const MAX_RELATIONSHIPS_READ = 20_000;

/** @throws Fault where there are more than can be read */
async function readAllRelationships(
  filter: RelationshipFilter,
  { relationships }: SearchDeps,
  cause: Error,
): Promise<readonly Relationship[]> {
  const found = await relationships.read(filter, MAX_RELATIONSHIPS_READ + 1);
  if (found.length > MAX_RELATIONSHIPS_READ)
    throw new Fault('relationships_unavailable', 'not looked up, and too many to read', { cause });
  return found;
}

function sortDistinct(ids: readonly string[]): readonly string[] {
  return [...new Set(ids)].sort(compareByCodePoint);
}

/**
 * Who might be allowed: with a token those whom it names, else those who hold the permission.
 * @throws Fault
 */
export async function findCandidateSubjects(question: Question, deps: SearchDeps): Promise<readonly string[]> {
  const { userObject, agentObject, find } = deps.rules().vocabulary;
  const { type } = question.subject;
  if (question.token !== undefined) {
    const token = getVerifiedCredential((await startDecision(question, deps)).unbound)?.token;
    const subjectId = type === agentObject ? token?.actors[0]?.id : type === userObject ? token?.user : undefined;
    return subjectId === undefined ? [] : [subjectId];
  }
  const target = find(question.action.name, question.resource.type);
  const rules = deps.rules();
  if (target === undefined || !rules.graph.hasDefinition(type)) return [];
  const { permission } = target.action;
  const resource = { type: question.resource.type, id: question.resource.id };
  const context = selectCaveatContext(question, rules, resource.type, permission);
  const lookup = { resource, permission, subjectType: type, context, withinMs: deps.deadlineMs };
  const { ids, wildcardExclusions: everyoneBut } = await lookUpSubjects(lookup, question, deps);
  if (everyoneBut === undefined) return ids;
  // Of everybody only those can be named who are known.
  const excluded = new Set(everyoneBut);
  const stored = (await deps.entities.ids(type)).filter((id) => !excluded.has(id));
  return sortDistinct([...ids, ...stored]);
}

/** How many agents are followed. */
const MAX_FOLLOWED_AGENTS = 1000;

/** The agents that may act for the user, on a delegation of theirs or one that was passed on. @throws Fault */
export async function findCandidateAgents(
  user: EntityRef,
  question: Question,
  deps: SearchDeps,
): Promise<readonly string[]> {
  const { agentObject, allowsRedelegation: delegationPasses } = deps.rules().vocabulary;
  if (agentObject === undefined) return [];
  const context = selectCaveatContext(question, deps.rules(), agentObject, DELEGATOR_RELATION);
  const lookup = { resourceType: agentObject, permission: DELEGATOR_RELATION, subject: user, context };
  const found = new Set(await lookUpResources(lookup, question, deps));
  let frontier = delegationPasses ? [...found] : [];
  while (frontier.length > 0) {
    if (found.size > MAX_FOLLOWED_AGENTS) throw new BadRequest('has more agents than are followed', 'subject');
    const next: string[] = [];
    for (const subjectId of frontier) {
      // Agents name each other singly, never by what they are members of.
      const filter = { resourceType: agentObject, relation: DELEGATOR_RELATION, subjectType: agentObject, subjectId };
      for (const { resource } of await deps.relationships.read(filter, MAX_FOLLOWED_AGENTS + 1)) {
        if (!found.has(resource.id)) next.push(resource.id);
        found.add(resource.id);
      }
    }
    frontier = next;
  }
  return sortDistinct([...found]);
}

async function lookUpSubjects(
  lookup: SubjectLookup,
  question: Question,
  deps: SearchDeps,
): Promise<SubjectLookupResult> {
  try {
    return await deps.relationships.lookupSubjects(lookup, question.consistency);
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
    const { subjectType } = lookup;
    const ids: string[] = [];
    for (const resourceType of deps.rules().graph.definitionNames())
      for (const { subject, wildcard } of await readAllRelationships({ resourceType, subjectType }, deps, error))
        if (wildcard !== true) ids.push(subject.id);
    return { ids: sortDistinct(ids), wildcardExclusions: [] };
  }
}
