/** The client: asks an AuthZEN service, Remit's extras where there are any, and takes nothing but a clear yes for an allow. */
import { randomUUID } from 'node:crypto';
import {
  requireRequestable,
  submitAccessRequest,
  type AccessRequestOptions,
  type AccessRequestTask,
} from './access-request.js';
import { requireSafeUrl } from './address.js';
import { AllowCache, type CacheOptions } from './cache.js';
import { readCapabilities, type Capability } from './capabilities.js';
import { requireClientOptions } from './client-options.js';
import { Caller, type Call, type CallResult, type EventHook } from './caller.js';
import { CredentialHolder, type Credential } from './credential.js';
import type { CallOptions } from './deadline.js';
import { Endpoints } from './endpoints.js';
import { RemitDenied, RemitSetupError, RemitUnavailable } from './errors.js';
import { readEvaluation, type Evaluation } from './evaluation.js';
import { streamFilter, type FilterEnd, type FilterStreamOptions, type FilterStreamRequest } from './filter-stream.js';
import { filterRecords, type FilterAnswer, type FilteredRecord, type FilterRequest } from './filter.js';
import { carryOut, requireObligationTable, type ObligationTable } from './obligations.js';
import { toWireQuestion, type Question, type QuestionContext, type WireQuestion } from './question.js';
import { isRepeatableQuestion, proveQuestion, toProvenBody } from './question-proof.js';
import { Searches } from './search.js';
import { isRecord } from './strict-json.js';
import { Transport } from './transport.js';

export interface ClientOptions {
  /** The identifier of the service: its address, which may have a path. https, or http on the loopback address. */
  readonly url: string;
  /** The client's key. This or `credential`. */
  readonly key?: string;
  readonly credential?: Credential;
  /** Milliseconds for a call with all of its retries; 2,000 by default. */
  readonly timeoutMs?: number;
  /** The obligations that this client carries out; what isn't in the table makes an allow a deny. */
  readonly obligations?: ObligationTable;
  /** Whether the endpoints are those of the service's metadata, which must be of this very `url`. */
  readonly discovery?: boolean;
  readonly cache?: CacheOptions;
  /** Told of each call, for logs and metrics. */
  readonly onEvent?: EventHook;
  readonly fetch?: typeof globalThis.fetch;
}
export interface AskOptions extends CallOptions {
  /**
   * Makes the same question a retry, which uses nothing of a limit twice; a new one for each call by default. `filter` has none by
   * default, and isn't sent again then where it may have arrived.
   */
  readonly idempotencyKey?: string;
  /** Obligations that the caller carries out itself, beside those of the client's table. */
  readonly obligations?: readonly string[];
}
/** The token of an agent that a client asks about, and the proof that it is presented with. */
export type AgentCredential = Pick<QuestionContext, 'token' | 'proof'>;
export interface Outcome {
  readonly outcome: 'executed' | 'failed' | 'abandoned';
  readonly at?: string;
  readonly detail?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  /** The quantities that were really used of the limits, of `executed`. */
  readonly actual?: Readonly<Record<string, unknown>>;
}

const DEFAULT_TIMEOUT_MS = 2_000;
/** The time in which the service gives a stream up of which nothing comes. */
const DEFAULT_IDLE_MS = 15_000;
const MAX_ITEMS = 1_000;

export class RemitClient {
  readonly search: Searches;
  private readonly table: ObligationTable;
  private readonly caller: Caller;
  private readonly credential: CredentialHolder;
  private readonly cache: AllowCache | undefined;

  /** @throws RemitSetupError */
  constructor(options: ClientOptions) {
    requireClientOptions(options);
    const { url, key, credential, timeoutMs = DEFAULT_TIMEOUT_MS, discovery = false } = options;
    const base = requireSafeUrl(url, 'url');
    this.credential = new CredentialHolder(key === undefined ? credential : credential === undefined ? key : undefined);
    this.table = requireObligationTable(options.obligations);
    this.cache = options.cache === undefined ? undefined : new AllowCache(options.cache);
    const transport = new Transport(this.credential, options.fetch ?? ((...request) => globalThis.fetch(...request)));
    const endpoints = new Endpoints(base, url, discovery, transport, timeoutMs);
    this.caller = new Caller(transport, endpoints, timeoutMs, options.onEvent);
    this.search = new Searches(this.caller, Object.keys(this.table));
  }

  /** Asks whether this may be done. @returns the answer, of which `allowed` counts. @throws RemitUnavailable, RemitSetupError */
  async can(question: Question, options: AskOptions = {}): Promise<Evaluation> {
    const table = this.getTable(options);
    const wire = toWireQuestion(question, Object.keys(table));
    return this.caller.run('can', options, (call) => this.ask(call, wire, table, options), describeEvaluation);
  }

  /** The same, for what may go on only with an allow. @throws RemitDenied, RemitUnavailable, RemitSetupError */
  async assert(question: Question, options: AskOptions = {}): Promise<Evaluation> {
    const evaluation = await this.can(question, options);
    if (!evaluation.allowed) throw new RemitDenied(evaluation);
    return evaluation;
  }

  /** Asks whether these may be done. @returns an answer to each, in order. @throws RemitUnavailable, RemitSetupError */
  async canAll(questions: readonly Question[], options: AskOptions = {}): Promise<Evaluation[]> {
    const table = this.getTable(options);
    const wires = questions.map((question) => toWireQuestion(question, Object.keys(table)));
    if (wires.length > MAX_ITEMS)
      throw new RemitSetupError('options', { detail: `at most ${MAX_ITEMS} questions can be asked at once` });
    // Without items the endpoint would answer one question, and there is none.
    if (wires.length === 0) return [];
    return this.caller.run('canAll', options, async ({ deadline, endpoints, send, getDecisionId }) => {
      const url = await endpoints.find('access_evaluations_endpoint', deadline);
      const body = async (): Promise<object> => ({
        evaluations: await Promise.all(wires.map(proveQuestion)),
        options: { evaluations_semantic: 'execute_all' },
      });
      const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
      const isRepeatable = wires.every(isRepeatableQuestion);
      const answer = await send({ method: 'POST', url, body, headers, isRepeatable });
      const items = isRecord(answer) ? answer['evaluations'] : undefined;
      // Fewer or more answers than questions belong to nothing.
      if (!Array.isArray(items) || items.length !== wires.length) throw new RemitUnavailable('answer');
      const id = getDecisionId();
      const evaluations = wires.map((wire, i) =>
        readEvaluation(items[i], wire, id === undefined ? undefined : `${id}.${i}`),
      );
      return deadline.race(Promise.all(evaluations.map((evaluation) => carryOut(evaluation, table))));
    });
  }

  /** Returns those of the records that may be seen, masked. Remit has this. @throws RemitDenied, RemitUnavailable, RemitSetupError */
  async filter(request: FilterRequest, options: AskOptions = {}): Promise<FilterAnswer> {
    const table = this.getTable(options);
    return this.caller.run('filter', options, (call) => filterRecords(call, request, table, options.idempotencyKey));
  }

  /**
   * The same for as many records as there are: they are taken, and answered, as their reader goes on. It was whole where it ends
   * without an error; what came of one that throws is a part that says nothing of the rest. Remit has this.
   * @returns the permitted records in their order, masked, and at last the counts
   * @throws RemitDenied, RemitUnavailable, RemitSetupError; what the records' source throws
   */
  filterStream(
    request: FilterStreamRequest,
    options: FilterStreamOptions = {},
  ): AsyncGenerator<FilteredRecord, FilterEnd, undefined> {
    const { signal, idleMs = DEFAULT_IDLE_MS } = options;
    const table = this.getTable(options);
    const waits = { timeoutMs: idleMs, ...(signal === undefined ? {} : { signal }) };
    return this.caller.runStream('filterStream', waits, (call) => streamFilter(call, request, table, options));
  }

  /**
   * Lists what the agent may do. Remit has this.
   * @param agent the agent's token, where the client isn't the agent itself, with its proof where it is bound to a key
   * @throws RemitDenied where the token, or the agent, is refused as such; RemitUnavailable, RemitSetupError
   */
  async capabilities(agent: AgentCredential & CallOptions = {}): Promise<readonly Capability[]> {
    const { token, proof, ...options } = agent;
    return this.caller.run('capabilities', options, async ({ endpoints, send, getDecisionId }) => {
      const url = endpoints.findOwn('/v1/capabilities');
      const answer =
        token === undefined
          ? await send({ method: 'GET', url, isRepeatable: true }).catch((error: unknown) => {
              throw explainMissingToken(error);
            })
          : await send({ method: 'POST', url, ...toProvenBody({ context: { token, ...(proof && { proof }) } }) });
      return readCapabilities(answer, getDecisionId());
    });
  }

  /**
   * Asks people for the approvals that would lift a denial.
   * @throws RemitDenied where they can't be asked about it; RemitUnavailable, RemitSetupError
   */
  async requestAccess(
    denied: RemitDenied | Evaluation,
    options: AccessRequestOptions = {},
  ): Promise<AccessRequestTask> {
    const evaluation = requireRequestable(denied);
    return this.caller.run('requestAccess', options, (call) =>
      submitAccessRequest(this.caller, call, evaluation, options),
    );
  }

  /** Tells what was really done with a decision. Remit has this. @throws RemitUnavailable, RemitSetupError */
  async outcome(decisionId: string, outcome: Outcome, options: CallOptions = {}): Promise<void> {
    await this.caller.run('outcome', options, async ({ endpoints, send }) => {
      const url = endpoints.findOwn(`/v1/decisions/${encodeURIComponent(decisionId)}/outcome`);
      await send({ method: 'POST', url, body: outcome, isRepeatable: true, goodStatuses: [200, 201] });
    });
  }

  private getTable({ obligations = [] }: Pick<AskOptions, 'obligations'>): ObligationTable {
    return { ...Object.fromEntries(obligations.map((type) => [type, true as const])), ...this.table };
  }

  private async ask(call: Call, wire: WireQuestion, table: ObligationTable, options: AskOptions): Promise<Evaluation> {
    const { deadline, endpoints, send } = call;
    // Each question is to be proven where there are proofs: what is kept would answer one that has none.
    const cache = wire.context.proof === undefined ? this.cache : undefined;
    const key = cache?.getKey(wire, await deadline.race(this.credential.get()));
    const kept = key === undefined ? undefined : cache?.find(key);
    if (kept !== undefined) return deadline.race(carryOut(kept, table));
    const started = performance.now();
    const url = await endpoints.find('access_evaluation_endpoint', deadline);
    const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
    const answer = await send({ method: 'POST', url, headers, ...toProvenBody(wire) });
    const evaluation = readEvaluation(answer, wire, call.getDecisionId());
    if (key !== undefined) cache?.keep(key, evaluation, started);
    return deadline.race(carryOut(evaluation, table));
  }
}

/** A client that is no agent has nothing of its own to list, and lacks no permission either: it lacks the agent's token. */
function explainMissingToken(error: unknown): unknown {
  if (!(error instanceof RemitSetupError) || error.code !== 'forbidden') return error;
  const detail = 'there is no token of an agent, and capabilities are those of an agent';
  return new RemitSetupError('options', { status: error.status, detail });
}

function describeEvaluation({ allowed, code, isCached, id }: Evaluation): CallResult {
  return { result: allowed ? 'allow' : 'deny', code, isCached, decisionId: id };
}

/** @throws RemitSetupError where an option is wrong */
export function createClient(options: ClientOptions): RemitClient {
  return new RemitClient(options);
}
