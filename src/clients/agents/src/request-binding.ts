/** The request that tools run for: its subject is bound to it, and is never taken from what a model said. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AgentCredential, Entity, ProofFunction, QuestionContext } from 'remit-client';

export interface RequestBinding {
  /** Names for whom the agent acts: of a session or a token that the process has verified. */
  readonly subject: Entity;
  /** The agent's delegation token, which each question passes on. */
  readonly token?: string;
  /** Called for each attempt, where the token is bound to a key: `dpopProof(keys, url)`, or one that has the key elsewhere. */
  readonly proof?: ProofFunction;
  /** Further members of each question's context. */
  readonly context?: QuestionContext;
}

const storage = new AsyncLocalStorage<RequestBinding>();

/**
 * Runs the work of a request. The guarded tools that run within it, also in what it has begun and not awaited, are asked for with
 * its subject.
 * @throws TypeError where the subject has no type or no id, or the credential is none
 */
export function withSubject<T>(binding: RequestBinding, work: () => T): T {
  const { subject, token, proof } = binding as {
    readonly subject?: Partial<Entity>;
    readonly token?: unknown;
    readonly proof?: unknown;
  };
  if (!isStated(subject?.type) || !isStated(subject.id)) throw new TypeError('remit: a request has a subject');
  if (token !== undefined && !isStated(token)) throw new TypeError('remit: the token is a text');
  if (proof !== undefined && (typeof proof !== 'function' || token === undefined))
    throw new TypeError('remit: the proof is a function, and is for a token');
  return storage.run(binding, work);
}

export function isStated(text: unknown): text is string {
  return typeof text === 'string' && text !== '';
}

/** The credential of the request's agent. */
export function toCredential({ token, proof }: RequestBinding): AgentCredential {
  return { ...(token === undefined ? {} : { token }), ...(proof === undefined ? {} : { proof }) };
}

/** The members that each question of the request has in its context. */
export function toContext(binding: RequestBinding): QuestionContext {
  return { ...binding.context, ...toCredential(binding) };
}

/** @returns undefined outside of any request */
export function getRequestBinding(): RequestBinding | undefined {
  return storage.getStore();
}
