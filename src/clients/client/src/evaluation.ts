/** Answers to questions: an allow is exactly `"decision": true`, and anything that isn't a decision is no answer. */
import { applyMask, isMasking, MASKING_TYPES } from './mask.js';
import { RemitDenied, RemitUnavailable } from './errors.js';
import type { WireQuestion } from './question.js';
import { isRecord } from './strict-json.js';

export interface Obligation {
  readonly id: string;
  readonly type: string;
  readonly properties: Readonly<Record<string, unknown>>;
}
export interface Reason {
  readonly code: string;
  readonly step?: string;
  readonly message?: string;
  readonly [member: string]: unknown;
}
/** Something that would turn the deny into an allow. */
export interface Remedy {
  readonly type: string;
  /** The challenge for the API's own `WWW-Authenticate`. */
  readonly challenge?: string;
  readonly [member: string]: unknown;
}
export interface AccessRequestOffer {
  readonly endpoint?: string;
  readonly expires_at: string;
  readonly binding_token?: string;
  readonly [member: string]: unknown;
}

/** The answer to one question. */
export interface Evaluation {
  /** True only where the service said exactly `true`, and every obligation is carried out or is left to the caller. */
  readonly allowed: boolean;
  /** The code of the first reason of a deny. */
  readonly code: string | undefined;
  /** The text for people, which doesn't tell whether a thing exists. */
  readonly message: string | undefined;
  readonly id: string | undefined;
  readonly reasons: readonly Reason[];
  readonly remedies: readonly Remedy[];
  readonly obligations: readonly Obligation[];
  readonly validUntil: string | undefined;
  readonly accessRequest: AccessRequestOffer | undefined;
  /** Whether it is an item of a batch that could not be decided: asking again may help. */
  readonly isUndecided: boolean;
  /** Whether it was kept from an equal question. */
  readonly isCached: boolean;
  readonly question: WireQuestion;
  /** All that the service said beside the decision. */
  readonly context: Readonly<Record<string, unknown>>;
  /** Returns the value with the masks of the obligations carried out. @throws where it can't be masked */
  readonly mask: <T>(value: T) => T;
}

/**
 * @param decisionId what its header says, for an answer that doesn't say it itself
 * @throws RemitUnavailable where it is no decision
 */
export function readEvaluation(answer: unknown, question: WireQuestion, decisionId?: string): Evaluation {
  if (!isRecord(answer) || typeof answer['decision'] !== 'boolean') throw new RemitUnavailable('answer');
  const context = answer['context'] ?? {};
  if (!isRecord(context)) throw new RemitUnavailable('answer');
  const obligations = readObligations(context['obligations']);
  const reasons = readList<Reason>(context['reasons'], 'code');
  const code = readText(context['reason']) ?? reasons[0]?.code;
  const offer = context['access_request'];
  // What could not be decided is no allow, whatever stands beside it.
  const hasError = (context['error'] ?? undefined) !== undefined;
  const isAllowed = answer['decision'] && !hasError;
  return createEvaluation({
    allowed: isAllowed,
    code: isAllowed ? undefined : (code ?? readErrorCode(context['error']) ?? 'denied'),
    message: readReasonText(context['reason_user']),
    id: readText(context['id']) ?? readText(context['evaluation_id']) ?? decisionId,
    reasons,
    remedies: readList<Remedy>(context['remedies'], 'type'),
    obligations,
    validUntil: readText(context['valid_until']),
    accessRequest: isRecord(offer) ? (offer as unknown as AccessRequestOffer) : undefined,
    isUndecided: hasError,
    isCached: false,
    question,
    context,
  });
}

const none = { type: '', id: '' };
/** Stands for the question of an answer that is a list, in the errors that tell it. */
export const NO_QUESTION: WireQuestion = { subject: none, action: { name: '' }, resource: none, context: {} };

/** @param context what was said beside a list. @throws RemitDenied where it says why the whole question is refused */
export function requireNotRefused(context: unknown, question: WireQuestion, decisionId?: string): void {
  if (isRecord(context) && Array.isArray(context['reasons']) && context['reasons'].length > 0)
    throw new RemitDenied(readEvaluation({ decision: false, context }, question, decisionId));
}

/** The question, which may have a token, is no member that a log prints. */
export function createEvaluation({ question, ...parts }: Omit<Evaluation, 'mask'>): Evaluation {
  const mask: Evaluation['mask'] = (value) => applyMask(value, parts.obligations);
  return Object.defineProperty({ ...parts, mask } as Evaluation, 'question', { value: question });
}

/** Refuses an allow whose obligation was not carried out. */
export function refuseEvaluation(evaluation: Evaluation, code: string): Evaluation {
  return createEvaluation({ ...evaluation, question: evaluation.question, allowed: false, code });
}

/** @throws RemitUnavailable where one can't be read: an obligation that isn't understood is never passed over */
export function readObligations(list: unknown): readonly Obligation[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new RemitUnavailable('answer');
  return list.map((entry: unknown): Obligation => {
    if (!isRecord(entry) || typeof entry['type'] !== 'string') throw new RemitUnavailable('answer');
    const properties = entry['properties'] ?? {};
    if (!isRecord(properties)) throw new RemitUnavailable('answer');
    const obligation = { id: readText(entry['id']) ?? entry['type'], type: entry['type'], properties };
    if (MASKING_TYPES.includes(obligation.type) && !isMasking(obligation)) throw new RemitUnavailable('answer');
    return obligation;
  });
}

function readText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Entries that have no name for what they are say nothing. */
function readList<T extends Reason | Remedy>(list: unknown, name: keyof T & string): readonly T[] {
  const entries: readonly unknown[] = Array.isArray(list) ? list : [];
  return entries.filter((entry): entry is T => isRecord(entry) && typeof entry[name] === 'string');
}

function readReasonText(texts: unknown): string | undefined {
  return isRecord(texts) ? readText(Object.values(texts)[0]) : readText(texts);
}

function readErrorCode(error: unknown): string | undefined {
  return isRecord(error) ? (readText(error['code']) ?? 'undecided') : undefined;
}
