/** AuthZEN's searches, as one sequence over all of their pages. */
import type { Caller } from './caller.js';
import type { CallOptions } from './deadline.js';
import type { EndpointName } from './endpoints.js';
import { RemitUnavailable } from './errors.js';
import { NO_QUESTION, readObligations, requireNotRefused, type Obligation } from './evaluation.js';
import { toProvenBody } from './question-proof.js';
import {
  copyAsSent,
  declareObligations,
  requireAction,
  requireEntity,
  requireType,
  type Action,
  type Entity,
  type Properties,
  type QuestionContext,
} from './question.js';
import { isRecord } from './strict-json.js';

/** An entity that is searched for, so it has no id yet. */
export interface SearchedEntity {
  readonly type: string;
  readonly properties?: Properties;
}
interface CommonSearch {
  readonly context?: QuestionContext;
  /** The results of a page; the service's own number by default. */
  readonly pageSize?: number;
}
export interface SubjectSearch extends CommonSearch {
  readonly subject: SearchedEntity;
  readonly action: string | Action;
  readonly resource: Entity;
}
export interface ResourceSearch extends CommonSearch {
  readonly subject: Entity;
  readonly action: string | Action;
  readonly resource: SearchedEntity;
}
export interface ActionSearch extends CommonSearch {
  readonly subject: Entity;
  readonly resource: Entity;
}
export interface FoundEntity {
  readonly type: string;
  readonly id: string;
  readonly obligations?: readonly Obligation[];
}
export interface FoundAction {
  readonly name: string;
  readonly obligations?: readonly Obligation[];
}

export class Searches {
  constructor(
    private readonly caller: Caller,
    private readonly supported: readonly string[],
  ) {}

  /** Finds who may do this. */
  subjects(search: SubjectSearch, options: CallOptions = {}): AsyncGenerator<FoundEntity, void, undefined> {
    requireType(search.subject, 'subject');
    requireEntity(search.resource, 'resource');
    return this.entities('search_subject_endpoint', search, search.subject.type, options);
  }

  /** Finds on what this may be done. */
  resources(search: ResourceSearch, options: CallOptions = {}): AsyncGenerator<FoundEntity, void, undefined> {
    requireEntity(search.subject, 'subject');
    requireType(search.resource, 'resource');
    return this.entities('search_resource_endpoint', search, search.resource.type, options);
  }

  /** Finds what may be done here. */
  actions(search: ActionSearch, options: CallOptions = {}): AsyncGenerator<FoundAction, void, undefined> {
    const { subject, resource } = search;
    requireEntity(subject, 'subject');
    requireEntity(resource, 'resource');
    return this.pages('search_action_endpoint', search, { subject, resource }, readActionName, options);
  }

  private entities(
    endpoint: EndpointName,
    search: SubjectSearch | ResourceSearch,
    searchedType: string,
    options: CallOptions,
  ): AsyncGenerator<FoundEntity, void, undefined> {
    const { subject, action, resource } = search;
    const question = { subject, action: requireAction(action), resource };
    return this.pages(endpoint, search, question, (result) => readEntity(result, searchedType), options);
  }

  /** Its pages are asked for later on, and all of them the same. */
  private pages<T extends object>(
    endpoint: EndpointName,
    { context, pageSize }: CommonSearch,
    question: object,
    read: (result: Readonly<Record<string, unknown>>) => T | undefined,
    options: CallOptions,
  ): AsyncGenerator<T, void, undefined> {
    const asked = { ...copyAsSent(question), context: declareObligations(context, this.supported) };
    return this.readPages(endpoint, asked, pageSize, read, options);
  }

  private async *readPages<T extends object>(
    endpoint: EndpointName,
    question: { readonly context: QuestionContext },
    pageSize: number | undefined,
    read: (result: Readonly<Record<string, unknown>>) => T | undefined,
    options: CallOptions,
  ): AsyncGenerator<T, void, undefined> {
    const limit = pageSize === undefined ? {} : { limit: pageSize };
    const tokens = new Set<string>();
    let token: string | undefined;
    do {
      const page = token === undefined ? limit : { ...limit, token };
      const asked = { ...question, ...(Object.keys(page).length === 0 ? {} : { page }) };
      const answer = await this.caller.run('search', options, async ({ deadline, endpoints, send }) => {
        const url = await endpoints.find(endpoint, deadline);
        return send({ method: 'POST', url, ...toProvenBody(asked) });
      });
      const { results, next } = readPage(answer);
      // All of a page is read before any of it counts.
      yield* results.map((result) => this.readResult(result, read)).filter((entry) => entry !== undefined);
      // A token that comes again would lead round for ever.
      if (next !== undefined && tokens.has(next)) throw new RemitUnavailable('answer');
      if (next !== undefined) tokens.add(next);
      token = next;
    } while (token !== undefined);
  }

  /** @returns undefined where it has what can't be met, which is no obstacle to the others. @throws RemitUnavailable */
  private readResult<T extends object>(
    result: Readonly<Record<string, unknown>>,
    read: (result: Readonly<Record<string, unknown>>) => T | undefined,
  ): T | undefined {
    const entry = read(result);
    if (entry === undefined) throw new RemitUnavailable('answer');
    const obligations = readObligations(result['obligations']);
    if (!obligations.every(({ type }) => this.supported.includes(type))) return undefined;
    return obligations.length === 0 ? entry : { ...entry, obligations };
  }
}

/** @throws RemitUnavailable; RemitDenied where the whole question is refused */
function readPage(answer: unknown): {
  results: readonly Readonly<Record<string, unknown>>[];
  next: string | undefined;
} {
  if (!isRecord(answer)) throw new RemitUnavailable('answer');
  const { results, page, context } = answer;
  if (!Array.isArray(results) || !results.every(isRecord)) throw new RemitUnavailable('answer');
  if (results.length === 0) requireNotRefused(context, NO_QUESTION);
  const next = isRecord(page) ? page['next_token'] : undefined;
  return { results, next: typeof next === 'string' && next !== '' ? next : undefined };
}

/** An entity of another type is the answer to another question: the id that a caller takes from it would name another thing. */
function readEntity({ type, id }: Readonly<Record<string, unknown>>, searchedType: string): FoundEntity | undefined {
  return type === searchedType && typeof id === 'string' ? { type, id } : undefined;
}

function readActionName({ name }: Readonly<Record<string, unknown>>): FoundAction | undefined {
  return typeof name === 'string' ? { name } : undefined;
}
