/** The question that a request to a route asks: who asks, what the route does, and on which thing. */
import type { Action, AskOptions, Entity, Evaluation, Outcome, Question, QuestionContext } from 'remit-client';

import { requireOneName } from './request-names.js';

/** The part of a client that a guard needs. */
export interface GuardClient {
  can(question: Question, options?: AskOptions): Promise<Evaluation>;
  outcome(decisionId: string, outcome: Outcome): Promise<void>;
}
/** The subject; with members of the question's context, where there are any; nothing where it isn't known who asks. */
export type SubjectAnswer =
  Entity | { readonly subject: Entity; readonly context?: QuestionContext } | null | undefined;

/** The parts of a masked answer that may be sent. */
export interface MaskLimits {
  /** The longest answer that is masked, in bytes; 16 MiB by default. What is longer isn't sent. */
  readonly maxMaskedBytes?: number;
  /**
   * Headers of handlers that are sent with a masked answer as they are, such as `location`: nothing in them is masked. None by default.
   */
  readonly unmaskedHeaders?: readonly string[];
}
/** @typeParam R the framework's request (Hono: its context) */
export interface GuardOptions<R> extends MaskLimits {
  readonly client: GuardClient;
  /** Names who asks: of a session that the API has verified, or `tokenSubject`. Never of what the request merely claims. */
  readonly subject: (request: R) => SubjectAnswer | Promise<SubjectAnswer>;
  /**
   * The agent's token: that of the request's `Authorization` by default; `false` where it is another one's, so that the
   * question has none.
   */
  readonly token?: false | ((request: R) => string | undefined);
  /** The address at which callers reach the API. Tokens that are bound to a key are taken only where it is said. */
  readonly publicUrl?: string;
  /** Whether the outcome is reported once a response is sent; `true` by default. */
  readonly outcome?: boolean;
  /** Told of each deny, so that the API can request the access that people would give. No response waits for it. */
  readonly onDenied?: (evaluation: Evaluation, request: R) => unknown;
  /** Told of errors that no response tells. */
  readonly onError?: (error: unknown) => void;
}
/** @typeParam R the framework's request (Hono: its context) */
export interface RouteQuestion<R> {
  readonly action: string | Action | ((request: R) => string | Action | Promise<string | Action>);
  readonly resource: Entity | ((request: R) => Entity | Promise<Entity>);
  readonly context?: QuestionContext | ((request: R) => QuestionContext | Promise<QuestionContext>);
}
/** A request, as every framework shows it. */
export interface RequestView {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly path: string;
  readonly header: (name: string) => string | undefined;
}

/** A request whose caller isn't known, or can't prove it. */
export class CallerUnknown extends Error {
  override readonly name = 'CallerUnknown';
}

/** @throws CallerUnknown; RequestUnclear; what the route's own functions throw */
export async function buildQuestion<R>(
  options: GuardOptions<R>,
  route: RouteQuestion<R>,
  request: R,
  view: RequestView,
): Promise<Question> {
  const answer = await options.subject(request);
  if (answer === null || answer === undefined) throw new CallerUnknown('it is not known who asks');
  const { subject, context = {} } = 'subject' in answer ? answer : { subject: answer };
  // A subject without an id, such as a header that is missing, is an unknown caller.
  if (typeof subject.id !== 'string' || subject.id === '') throw new CallerUnknown('it is not known who asks');
  const resolve = async <T>(part: T | ((request: R) => T | Promise<T>)): Promise<T> =>
    typeof part === 'function' ? (part as (request: R) => T | Promise<T>)(request) : part;
  const [action, resource, more] = await Promise.all([
    resolve<string | Action>(route.action),
    resolve<Entity>(route.resource),
    resolve<QuestionContext>(route.context ?? {}),
  ]);
  // A parameter that isn't there names nothing.
  const { type, id = '' } = (resource as Partial<Entity> | undefined) ?? {};
  requireOneName(
    [typeof action === 'string' ? action : (action as Partial<Action> | undefined)?.name, type, id],
    view.path,
  );
  return { subject, action, resource, context: { ...readDelegation(options, request, view), ...context, ...more } };
}

/** @throws CallerUnknown where the token is bound to a key and it isn't said which address its proof must be for */
function readDelegation<R>({ token, publicUrl }: GuardOptions<R>, request: R, view: RequestView): QuestionContext {
  if (token === false) return {};
  if (token !== undefined) {
    const text = token(request);
    return text === undefined ? {} : { token: text };
  }
  const [, scheme = '', credential] =
    /^(Bearer|DPoP) +([\x21-\x7e]+) *$/i.exec(view.header('authorization') ?? '') ?? [];
  if (credential === undefined) return {};
  if (scheme.toLowerCase() === 'bearer') return { token: credential };
  const jwt = view.header('dpop');
  // The request's own Host is no witness: a proof for another server could be sent here.
  if (publicUrl === undefined || jwt === undefined) throw new CallerUnknown('the proof can not be verified');
  const { origin, pathname } = new URL(publicUrl);
  const url = origin + pathname.replace(/\/$/, '') + (view.path.split('?')[0] ?? '');
  return { token: credential, proof: { jwt, method: view.method, url } };
}

/**
 * A subject that the request's own token names. Only the authorization service verifies the token, and it denies where
 * the subject isn't the token's; so this is for questions that carry the token.
 * @param header reads a header of the framework's request
 * @param options.type the type of the token's subject
 * @param options.toId the subject's id, where it isn't `sub` itself
 */
export function tokenSubject<R>(
  header: (request: R, name: string) => string | undefined,
  {
    type = 'user',
    toId = readSub,
  }: { type?: string; toId?: (claims: Readonly<Record<string, unknown>>) => unknown } = {},
): (request: R) => Entity | undefined {
  return (request) => {
    const [, , payload] =
      /^(Bearer|DPoP) +[\w-]+\.([\w-]+)\.[\w-]+ *$/i.exec(header(request, 'authorization') ?? '') ?? [];
    const id = payload === undefined ? undefined : toId(decodeClaims(payload));
    return typeof id === 'string' && id !== '' ? { type, id } : undefined;
  };
}

function readSub({ sub }: Readonly<Record<string, unknown>>): unknown {
  return sub;
}

function decodeClaims(payload: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
