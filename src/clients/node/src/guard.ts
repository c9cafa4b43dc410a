/** The adapters' common part: a request is asked about, and is let through or refused; the outcome is told afterwards. */
import { MASKING_TYPES, reportSetup, type Evaluation, type Obligation } from 'remit-client';
import { selectMasks } from './masked-body.js';
import { refuseDenied, refuseError, refuseUnmasked, type Refusal } from './refusal.js';
import { buildQuestion, type GuardOptions, type RequestView, type RouteQuestion } from './route-question.js';

export type Passage =
  | { readonly isAllowed: true; readonly evaluation: Evaluation; readonly masks: readonly Obligation[] }
  | { readonly isAllowed: false; readonly refusal: Refusal };

export class Guard<R> {
  /** @throws TypeError where an option is missing */
  constructor(readonly options: GuardOptions<R>) {
    const {
      client,
      subject,
      token = false,
      publicUrl,
      maxMaskedBytes = 0,
      unmaskedHeaders = [],
    } = options as Partial<GuardOptions<R>>;
    if (typeof client?.can !== 'function') throw new TypeError('remit: a client is required');
    if (typeof subject !== 'function') throw new TypeError('remit: a function that names the subject is required');
    if (token !== false && typeof token !== 'function')
      throw new TypeError('remit: token must be false, or a function that returns the token');
    if (!(typeof maxMaskedBytes === 'number' && maxMaskedBytes >= 0))
      throw new TypeError('remit: maxMaskedBytes must be a number of bytes');
    if (publicUrl !== undefined && !URL.canParse(publicUrl)) throw new TypeError('remit: publicUrl must be a URL');
    const isList = Array.isArray(unmaskedHeaders) && unmaskedHeaders.every((name) => typeof name === 'string');
    if (!isList) throw new TypeError('remit: unmaskedHeaders must be a list of names');
  }

  /** Asks whether a request may pass. @throws what the functions of the API throw */
  async ask(route: RouteQuestion<R>, request: R, view: RequestView): Promise<Passage> {
    try {
      const question = await buildQuestion(this.options, route, request, view);
      const evaluation = await this.options.client.can(question, { obligations: MASKING_TYPES });
      if (!evaluation.allowed) {
        this.tellDenied(evaluation, request);
        return { isAllowed: false, refusal: refuseDenied(evaluation) };
      }
      const masks = selectMasks(evaluation.obligations);
      if (masks.length > 0 && leavesHttp(view.header('upgrade'))) {
        const refusal = refuseUnmasked(200);
        this.report(evaluation, refusal.status);
        return { isAllowed: false, refusal };
      }
      return { isAllowed: true, evaluation, masks };
    } catch (error) {
      const refusal = refuseError(error);
      if (refusal.body.error.code === 'misconfigured') reportSetup(describeRoute(route), error, this.options.onError);
      return { isAllowed: false, refusal };
    }
  }

  private tellDenied(evaluation: Evaluation, request: R): void {
    const { onDenied, onError } = this.options;
    if (onDenied === undefined || evaluation.isUndecided) return;
    const told = new Promise((resolve) => {
      resolve(onDenied(evaluation, request));
    });
    told.catch((error: unknown) => onError?.(error));
  }

  /**
   * Tells what came of a decision, by the status of the response. A response that was never sent whole tells nothing: what
   * was reserved of limits then stays used.
   */
  report({ id, isCached }: Evaluation, status: number): void {
    if (this.options.outcome === false || id === undefined || isCached) return;
    const outcome = status < 400 ? 'executed' : status < 500 ? 'abandoned' : 'failed';
    this.options.client.outcome(id, { outcome }).catch((error: unknown) => this.options.onError?.(error));
  }
}

/**
 * Whether a request is to become another protocol, such as WebSocket, whose messages no mask reads. HTTP/2 is none: where a client offers
 * it, Node answers in HTTP/1.1.
 */
function leavesHttp(upgrade = ''): boolean {
  return upgrade.split(',').some((protocol) => !['', 'h2c'].includes(protocol.trim().toLowerCase()));
}

/** Names a route by what its author wrote: what a request asks for is its sender's. */
function describeRoute({ action }: Pick<RouteQuestion<never>, 'action'>): string {
  return typeof action === 'string' ? `a route that asks for "${action}"` : 'a route';
}

/** @throws TypeError where a route's question is no question */
export function requireRouteQuestion(route: unknown): void {
  const { action, resource } = (route ?? {}) as { readonly action?: unknown; readonly resource?: unknown };
  const isStated = (part: unknown): boolean =>
    typeof part === 'function' || (typeof part === 'object' && part !== null);
  if (!(isStated(action) || (typeof action === 'string' && action !== '')) || !isStated(resource))
    throw new TypeError('remit: a route’s question has an action and a resource');
}
