/** Reads the acting parties that a question names: RFC 8693's `act`, or a subject that is the agent itself. authzen-request.ts calls it. */
import type { z } from 'zod';
import { BadRequest } from '../model/faults.js';
import type { AgentSubjects, Caller, Question } from '../model/question.js';
import type { Vocabulary } from '../policy/schema/vocabulary.js';
import { isObject } from '../policy/schema/types.js';
import { omitSharedNulls } from './null-members.js';
import { idFormat, type subjectFormat } from './authzen-formats.js';
import { toBadRequest } from './edge/errors.js';

/** The actors that are read: as many as a token may name. */
const MAX_ACTORS = 8;
const ACT_PLACE = 'subject.properties.act';

type ActingStatement = Pick<Question, 'subject' | 'assertedAgent' | 'assertedChain'>;
/** The names that SpiceDB's schema has for users and agents. */
export type PartyTypes = Pick<Vocabulary, 'userObject' | 'agentObject'>;

/** @throws BadRequest naming the place */
export function readActingParties(
  stated: z.infer<typeof subjectFormat>,
  caller: Caller,
  { userObject, agentObject }: PartyTypes,
): ActingStatement {
  const properties = omitSharedNulls(stated.properties ?? {});
  const [assertedAgent, ...assertedChain] = readActors(properties['act']);
  const asserted = { assertedAgent, ...(assertedChain.length === 0 ? {} : { assertedChain }) };
  const subjects = caller.kind === 'client' ? caller.client.agentSubjects : undefined;
  if (subjects?.types.has(stated.type) !== true || agentObject === undefined)
    return { subject: { type: stated.type, id: stated.id, properties }, ...asserted };
  const agent = readAgentId(stated.id, subjects);
  const user = readId(properties[subjects.userProperty], `subject.properties.${subjects.userProperty}`);
  if (user === undefined || userObject === undefined)
    return { subject: { type: agentObject, id: agent, properties }, ...asserted };
  if (assertedAgent !== undefined)
    throw new BadRequest(`must not be stated beside "${subjects.userProperty}": the subject is the agent`, ACT_PLACE);
  // The properties are the agent's, and nothing of the user's.
  return { subject: { type: userObject, id: user, properties: {} }, assertedAgent: agent };
}

/** The actors that a client vouches for, the current one first. @throws BadRequest naming the place */
function readActors(act: unknown): string[] {
  const actors: string[] = [];
  let [actor, place] = [act, ACT_PLACE];
  while (actor !== undefined && actor !== null) {
    if (actors.length === MAX_ACTORS) throw new BadRequest(`names more than ${MAX_ACTORS} actors`, ACT_PLACE);
    const isText = typeof actor === 'string' && actors.length === 0;
    if (!isText && !isObject(actor))
      throw new BadRequest(`must be an object with "sub"${actors.length === 0 ? ', or a text' : ''}`, place);
    const id = isObject(actor) ? readId(actor['sub'], `${place}.sub`) : readId(actor, place);
    if (id === undefined) throw new BadRequest('is required', `${place}.sub`);
    if (actors.includes(id)) throw new BadRequest('names an actor twice', place);
    actors.push(id);
    actor = isObject(actor) ? actor['act'] : undefined;
    place = `${place}.act`;
  }
  return actors;
}

/** @throws BadRequest naming the place */
function readId(value: unknown, place: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  const parsed = idFormat.safeParse(value);
  if (!parsed.success) throw new BadRequest(toBadRequest(parsed.error).message, place);
  return parsed.data;
}

/** @throws BadRequest where nothing but the prefix is there */
function readAgentId(id: string, { prefix }: AgentSubjects): string {
  const agent = id.startsWith(prefix) ? id.slice(prefix.length) : id;
  if (agent === '') throw new BadRequest(`names no agent after "${prefix}"`, 'subject.id');
  return agent;
}
