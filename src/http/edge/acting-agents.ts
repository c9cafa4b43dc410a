/** Finds the agents that a client's request asks for, so that each is held to its rate. */
import type { FastifyRequest } from 'fastify';
import type { TokenReading } from '../../model/credential.js';
import { Fault } from '../../model/faults.js';
import type { Client } from '../../model/question.js';
import { isObject } from '../../policy/schema/types.js';
import { Deadline } from '../../runtime/deadline.js';
import { yieldToEventLoop } from '../../runtime/yield.js';
import type { Service } from '../../service/service.js';
import { MAX_CONFIGURED_TOKEN_BYTES } from '../../tokens/reading-rules.js';
import { MAX_ITEMS } from '../authzen-formats.js';
import { getRequestTokens } from './request-tokens.js';

/** Longer ids are refused by validation. */
const MAX_ID_LENGTH = 512;
/** Tokens of one request that are verified at one time: signatures are checked on few threads, which all requests share. */
const VERIFIED_AT_ONCE = 4;

/** Finds the agents that act in the questions, each once: those of valid tokens, and those that the client may assert. */
export async function findActingAgents(request: FastifyRequest, client: Client, service: Service): Promise<string[]> {
  const { body } = request;
  if (!isObject(body)) return [];
  const items: unknown[] = Array.isArray(body['evaluations']) ? body['evaluations'].slice(0, MAX_ITEMS) : [];
  const questions = [body, ...items].filter(isObject);
  const texts = new Set(
    questions.flatMap(({ context }) =>
      isObject(context) ? readShortText(context['token'], MAX_CONFIGURED_TOKEN_BYTES) : [],
    ),
  );
  const asserted = client.may.has('asserts_subject')
    ? questions.flatMap(({ subject }) => readAssertedAgents(subject))
    : [];
  if (texts.size === 0) return [...new Set(asserted)];
  const requestTokens = getRequestTokens(request, service.trust.verifier);
  const verified = await readActingAgents(
    [...texts].map((text) => requestTokens.read(text)),
    client,
    service,
  );
  return [...new Set([...asserted, ...verified])];
}

/** The acting agents of those tokens that are valid and can be verified within a decision's deadline. */
async function readActingAgents(
  tokens: readonly TokenReading[],
  client: Client,
  { trust, deadlineMs, now }: Service,
): Promise<string[]> {
  const agents: string[] = [];
  const waiting = tokens.values();
  const verifyWaiting = async (deadline: Deadline): Promise<void> => {
    for (const token of waiting) {
      await yieldToEventLoop();
      try {
        const verified = await deadline.race(trust.verifier.verify(token, client.audience, now()));
        if (verified.ok) agents.push(...verified.token.actors.slice(0, 1).map(({ id }) => id));
      } catch (error) {
        // The decision reports it. Keys of one issuer that can't be had are no reason to leave out the agents of others.
        if (!(error instanceof Fault)) throw error;
        if (error.code === 'deadline_exceeded') return;
      }
    }
  };
  await Deadline.run(deadlineMs, (deadline) =>
    Promise.all(Array.from({ length: VERIFIED_AT_ONCE }, () => verifyWaiting(deadline))),
  );
  return agents;
}

function readShortText(value: unknown, maxLength: number): string[] {
  return typeof value === 'string' && value.length <= maxLength ? [value] : [];
}

function readAssertedAgents(subject: unknown): string[] {
  const properties = isObject(subject) ? subject['properties'] : undefined;
  const act = isObject(properties) ? properties['act'] : undefined;
  return isObject(act) ? readShortText(act['sub'], MAX_ID_LENGTH) : [];
}
