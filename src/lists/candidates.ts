/**
 * The candidates of a search, each of which is then judged: from the graph or the schema, maybe too many and never too
 * few. The search routes and the capabilities call it.
 */
import type { DecisionDeps } from '../decide/decide.js';
import { startEvaluation } from './preview.js';
import type { RelationshipFilter, SubjectLookup, SubjectLookupResult } from '../graph/port.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import { BadRequest, Fault, type FaultCode } from '../model/faults.js';
import { isForeignId, type EntityRef } from '../model/ids.js';
import type { Question } from '../model/question.js';
import type { Relationship } from '../model/relationships.js';
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import { buildElevationCheck } from '../decide/elevation.js';
import { buildGateLookup, toResourceLookup, type GateLookup } from '../decide/steps/relationship.js';
import { selectCaveatContext } from '../decide/permission-checks.js';
import { getVerifiedCredential } from '../decide/bound-question.js';

/** The dependencies of a search, which also lists the ids of stored entities. */
export interface SearchDeps extends DecisionDeps {
  readonly entities: DecisionDeps['entities'] & { ids(type: string): Promise<readonly string[]> };
}

/** The number of deadlines that finding candidates may take: one for a lookup that finds no end, then for reading instead. */
export const CANDIDATE_DEADLINES = 3;

/** The order of every list of candidates. */
export function compareByCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * Finds the resources on which the action's permission is held; none where the question could only be denied.
 * @throws Fault where they can't be found now
 */
export async function findCandidateResources(
  question: Question,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<readonly string[]> {
  const { bound } = await startEvaluation(question, deps);
  if (bound === undefined) return [];
  return lookUpResources(buildGateLookup(bound), graph, deps);
}

/**
 * Finds the resources on which the user may ask for the right that the action needs (`@elevation`).
 * @throws Fault where they can't be found now
 */
export async function findElevatableResources(
  question: Question,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<readonly string[]> {
  const { bound } = await startEvaluation(question, deps);
  const check = bound === undefined ? undefined : buildElevationCheck(bound);
  return check === undefined ? [] : lookUpResources(toResourceLookup(check), graph, deps);
}

/** @throws Fault where neither the lookup nor reading ends */
async function lookUpResources(lookup: GateLookup, graph: GraphSnapshot, deps: SearchDeps): Promise<readonly string[]> {
  try {
    const request = { ...lookup, withinMs: deps.deadlineMs };
    return (await graph.lookupResources(request)).ids;
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
    const relationships = await readAllRelationships({ resourceType: lookup.resourceType }, graph, error);
    return sortDistinct(relationships.map((r) => r.resource.id).filter((id) => !isForeignId(id)));
  }
}

const BEYOND_LOOKUP: readonly FaultCode[] = ['deadline_exceeded', 'overloaded'];

/** Whether the lookup failed on a graph that is too deep or cyclic: then single checks may still be answered. */
function isBeyondLookup(error: unknown): error is Error {
  return error instanceof BadRequest || (error instanceof Fault && BEYOND_LOOKUP.includes(error.code));
}

/** The most relationships that are read where a lookup has failed. */
const MAX_RELATIONSHIPS_READ = 20_000;

/** @throws Fault where there are more than can be read */
async function readAllRelationships(
  filter: RelationshipFilter,
  graph: GraphSnapshot,
  cause: Error,
): Promise<readonly Relationship[]> {
  const { relationships: all } = await graph.read(filter, MAX_RELATIONSHIPS_READ + 1);
  if (all.length > MAX_RELATIONSHIPS_READ)
    throw new Fault('relationships_unavailable', 'The lookup failed, and there are too many relationships to read.', {
      cause,
    });
  return all;
}

function sortDistinct(ids: readonly string[]): readonly string[] {
  return [...new Set(ids)].sort(compareByCodePoint);
}

/**
 * Finds the subjects that may be allowed: with a token the party that it names, else the holders of the permission.
 * @throws Fault where they can't be found now
 */
export async function findCandidateSubjects(
  question: Question,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<readonly string[]> {
  const { userObject, agentObject, find } = deps.rules().vocabulary;
  const { type } = question.subject;
  if (question.token !== undefined) {
    const token = getVerifiedCredential((await startEvaluation(question, deps)).unbound)?.token;
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
  const { ids, wildcardExclusions } = await lookUpSubjects(lookup, graph, deps);
  if (wildcardExclusions === undefined) return ids;
  // The wildcard stands for every subject: the stored ones are those that can be named.
  const excluded = new Set(wildcardExclusions);
  const stored = (await deps.entities.ids(type)).filter((id) => !excluded.has(id));
  return sortDistinct([...ids, ...stored]);
}

/** The most agents that are followed over delegations that were passed on. */
const MAX_FOLLOWED_AGENTS = 1000;

/**
 * Finds the agents that may act for the user, on a direct delegation or one that was passed on.
 * @throws BadRequest where there are too many
 * @throws Fault where they can't be found now
 */
export async function findCandidateAgents(
  user: EntityRef,
  question: Question,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<readonly string[]> {
  const { agentObject, allowsRedelegation } = deps.rules().vocabulary;
  if (agentObject === undefined) return [];
  const context = selectCaveatContext(question, deps.rules(), agentObject, DELEGATOR_RELATION);
  const lookup = { resourceType: agentObject, permission: DELEGATOR_RELATION, subject: user, context };
  const agents = new Set(await lookUpResources(lookup, graph, deps));
  let frontier = allowsRedelegation ? [...agents] : [];
  while (frontier.length > 0) {
    if (agents.size > MAX_FOLLOWED_AGENTS) throw new BadRequest('has more agents than are followed', 'subject');
    const next: string[] = [];
    for (const subjectId of frontier) {
      // Agents are delegated to singly, never through a userset.
      const filter = { resourceType: agentObject, relation: DELEGATOR_RELATION, subjectType: agentObject, subjectId };
      const { relationships } = await graph.read(filter, MAX_FOLLOWED_AGENTS + 1);
      for (const { resource } of relationships) {
        if (isForeignId(resource.id)) continue;
        if (!agents.has(resource.id)) next.push(resource.id);
        agents.add(resource.id);
      }
    }
    frontier = next;
  }
  return sortDistinct([...agents]);
}

async function lookUpSubjects(
  lookup: SubjectLookup,
  graph: GraphSnapshot,
  deps: SearchDeps,
): Promise<Pick<SubjectLookupResult, 'ids' | 'wildcardExclusions'>> {
  try {
    return await graph.lookupSubjects(lookup);
  } catch (error) {
    if (!isBeyondLookup(error)) throw error;
    const { subjectType } = lookup;
    const ids: string[] = [];
    for (const resourceType of deps.rules().graph.definitionNames())
      for (const { subject, wildcard } of await readAllRelationships({ resourceType, subjectType }, graph, error))
        if (wildcard !== true && !isForeignId(subject.id)) ids.push(subject.id);
    return { ids: sortDistinct(ids), wildcardExclusions: [] };
  }
}
