/** Questions, in AuthZEN's words. */
import { RemitSetupError } from './errors.js';
import { isRecord } from './strict-json.js';

export type Properties = Readonly<Record<string, unknown>>;
export interface Entity {
  readonly type: string;
  readonly id: string;
  readonly properties?: Properties;
}
export interface Action {
  readonly name: string;
  readonly properties?: Properties;
}
/** The proof for a token that is bound to a key or a certificate. */
export interface StatedProof {
  readonly jwt?: string;
  readonly method?: string;
  readonly url?: string;
  readonly certificate?: string;
}
/** Makes the proof for a token, as `dpopProof(keys, url)` does: a proof counts once, so each attempt needs its own. */
export type ProofFunction = (token: string) => StatedProof | Promise<StatedProof>;
/** Members of the context that Remit reads; others are the question's own. */
export interface QuestionContext {
  /** The agent's delegation token. */
  readonly token?: string;
  /** A function is called for each attempt. A proof that is stated counts once, so such a question is never sent again. */
  readonly proof?: StatedProof | ProofFunction;
  readonly agent?: string;
  readonly mode?: string;
  readonly dry_run?: boolean;
  readonly consistency?: { readonly at_least: string };
  /** The approval that an access request got. */
  readonly approval?: Properties;
  readonly [member: string]: unknown;
}
export interface Question {
  readonly subject: Entity;
  /** A text is the action's name. */
  readonly action: string | Action;
  readonly resource: Entity;
  readonly context?: QuestionContext;
}

/** A question as it is sent. */
export interface WireQuestion {
  readonly subject: Entity;
  readonly action: Action;
  readonly resource: Entity;
  readonly context: QuestionContext;
}

/**
 * @param supported the obligations that will be carried out, which the question declares
 * @throws RemitSetupError where a part is missing: a question with a hole in it is never sent
 */
export function toWireQuestion(question: Question, supported: readonly string[]): WireQuestion {
  const { subject, action, resource } = copyAsSent({ ...question, context: undefined });
  requireEntity(subject, 'subject');
  requireEntity(resource, 'resource');
  return { subject, action: requireAction(action), resource, context: declareObligations(question.context, supported) };
}

/**
 * Copies what is asked about, as it will be sent: a question waits for its credential, and its author may use the object for the
 * next one meanwhile. The answer would then be another question's.
 * @throws RemitSetupError where JSON doesn't have it
 */
export function copyAsSent<T extends object>(value: T): T {
  try {
    return JSON.parse(JSON.stringify(value)) as T;
  } catch {
    throw new RemitSetupError('options', { detail: 'the question can not be written as JSON' });
  }
}

/** Copies the context, and declares what this client supports, in the place of what the question itself declares. */
export function declareObligations(
  context: QuestionContext | undefined,
  supported: readonly string[],
): QuestionContext & { readonly supported_obligations: readonly string[] } {
  const written = copyAsSent({ ...context });
  // A text or a list has members for JavaScript, and none for the service: what it should have said would be left out.
  if (!isRecord(context ?? {}) || !isRecord(written))
    throw new RemitSetupError('options', { detail: 'the context is no object', at: 'context' });
  const copy = { ...written, supported_obligations: supported };
  // JSON has no functions.
  return typeof context?.proof === 'function' ? { ...copy, proof: context.proof } : copy;
}

export function requireAction(action: unknown): Action {
  const wire = typeof action === 'string' ? { name: action } : action;
  if (!isRecord(wire) || typeof wire['name'] !== 'string' || wire['name'] === '')
    throw new RemitSetupError('options', { detail: 'the question names no action', at: 'action.name' });
  return wire as unknown as Action;
}

export function requireEntity(entity: unknown, at: string): void {
  requireType(entity, at);
  const { id } = entity as { readonly id?: unknown };
  if (typeof id !== 'string' || id === '')
    throw new RemitSetupError('options', { detail: `the ${at} has no id, which is a text`, at: `${at}.id` });
}

export function requireType(entity: unknown, at: string): void {
  if (!isRecord(entity) || typeof entity['type'] !== 'string' || entity['type'] === '')
    throw new RemitSetupError('options', { detail: `the ${at} has no type`, at: `${at}.type` });
}
