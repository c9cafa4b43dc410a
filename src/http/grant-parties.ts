/** The user and the agent of what a person grants, a delegation or a consent, as the schema has users and agents. */
import { BadRequest } from '../model/faults.js';
import { findIdProblem, type EntityRef } from '../model/ids.js';
import type { Service } from '../service/service.js';

/** The definitions of users and agents. @throws BadRequest where the schema has none */
export function requireGrantObjects({ activePolicies }: Pick<Service, 'activePolicies'>): {
  readonly userObject: string;
  readonly agentObject: string;
} {
  const { userObject, agentObject } = activePolicies.rules.vocabulary;
  if (userObject === undefined || agentObject === undefined)
    throw new BadRequest('The schema has no users and agents to grant anything.', '', 404, 'not_found');
  return { userObject, agentObject };
}

export function userReference(service: Pick<Service, 'activePolicies'>, user: string): EntityRef {
  return { type: requireGrantObjects(service).userObject, id: user };
}

/** The party that a request names, with or without its type. @throws BadRequest */
export function readPartyReference(text: string, type: string, place: string): EntityRef {
  const id = text.startsWith(`${type}:`) ? text.slice(type.length + 1) : text;
  const problem = findIdProblem(id);
  if (problem !== undefined) throw new BadRequest(problem, place);
  return { type, id };
}
