/** The AuthZEN answer to a decision. A client reads the whole rationale, an agent only what is safe for it. */
import { z } from 'zod';
import { parseDescribedParties } from '../model/acting.js';
import { hideReviews, type Decision, type IgnoredMembers, type Rationale } from '../model/decision.js';
import { FAULTS, type BadRequest } from '../model/faults.js';
import type { Caller } from '../model/question.js';
import {
  ignoredFormat,
  obligationFormat,
  rationaleFormat,
  reasonFormat,
  reasonTextFormat,
  remedyFormat,
} from './answer-parts.js';
import { tellReasons, lacksDelegation, tellRemedies } from './tell-denial.js';
import { accessRequestOfferFormat, type AccessRequestAnswer } from './access-offer-json.js';

export const evaluationAnswerFormat = z
  .object({
    decision: z.boolean(),
    context: z
      .object({
        id: z.uuid().optional(),
        evaluation_id: z.uuid().optional(),
        evaluated_at: z.string().optional(),
        valid_until: z.string().optional(),
        reason: z.string().optional(),
        reason_user: reasonTextFormat.optional(),
        reason_admin: reasonTextFormat.optional(),
        reasons: z.array(reasonFormat).optional(),
        remedies: z.array(remedyFormat).optional(),
        rationale: rationaleFormat.optional().describe('For clients'),
        ignored: ignoredFormat.optional(),
        obligations: z.array(obligationFormat).optional(),
        access_request: accessRequestOfferFormat.optional(),
        approval: z
          .object({ id: z.string(), approved_until: z.string() })
          .optional()
          .describe('The approval that the allow has used'),
        next_action: z
          .enum(['request', 'retry', 'none'])
          .optional()
          .describe('What to do about the deny beside the approval that was presented'),
        retry_after: z.int().optional().describe('Seconds, where `next_action` is `retry`'),
        error: z
          .looseObject({
            status: z.int().optional(),
            code: z.string(),
            message: z.string(),
            at: z.string().optional().describe('Where in a batch, as a path'),
          })
          .optional()
          .describe('Why it could not be decided'),
      })
      .optional(),
  })
  .meta({ id: 'EvaluationResponse' });
export interface EvaluationAnswer {
  readonly decision: boolean;
  readonly context?: Readonly<Record<string, unknown>>;
}
export const evaluationAnswersFormat = z
  .object({ evaluations: z.array(evaluationAnswerFormat) })
  .meta({ id: 'EvaluationsResponse' });

/** The addresses of an answer, which a decision has none of. */
interface AnswerAddresses {
  /** The way to ask for the approvals that would lift a deny; undefined where none would. */
  readonly accessRequest: AccessRequestAnswer | undefined;
  /** The page at which users delegate, as the configuration has it. */
  readonly delegateUrl: string | undefined;
}

/** @param isMinimal the decision and its obligations alone */
export function toEvaluationAnswer(
  decision: Decision,
  caller: Caller,
  isMinimal: boolean,
  { accessRequest, delegateUrl }: AnswerAddresses,
): EvaluationAnswer {
  const { obligations } = decision;
  if (isMinimal)
    return {
      decision: decision.decision,
      ...(obligations.length === 0 ? {} : { context: { obligations: [...obligations] } }),
    };
  const status = decision.decision ? '200' : decision.fault === undefined ? '403' : '503';
  const isClient = caller.kind === 'client';
  const told = isClient ? decision : decision.firstDenial;
  // Only the remedy of a delegation needs the agent's id read back.
  const agent = lacksDelegation(told.reasons) ? parseDescribedParties(decision.rationale.acting).agent?.id : undefined;
  const reasons = tellReasons(told.reasons, caller);
  const remedies = tellRemedies(told, caller, agent, delegateUrl);
  const firstCode = told.reasons[0]?.code;
  const common = {
    id: decision.id,
    // The names that AuthZEN's access request profile uses.
    evaluation_id: decision.id,
    evaluated_at: decision.evaluated_at,
    valid_until: decision.valid_until,
    ...(firstCode === undefined ? {} : { reason: firstCode }),
    ...decision.advice,
    ...(accessRequest === undefined ? {} : { access_request: accessRequest }),
    ...(decision.approval === undefined ? {} : { approval: decision.approval }),
    reason_user: { [status]: decision.reason_user },
  };
  const error =
    decision.fault === undefined
      ? {}
      : { error: { status: 503, code: decision.fault, message: FAULTS[decision.fault] } };
  if (!isClient) {
    return {
      decision: decision.decision,
      context: {
        ...common,
        reasons,
        remedies,
        ...tellIgnored(decision.rationale),
        obligations: [...obligations],
        ...error,
      },
    };
  }
  return {
    decision: decision.decision,
    context: {
      ...common,
      reason_admin: { [status]: decision.reason_admin },
      reasons,
      remedies,
      rationale: { ...hideReviews(decision.rationale) },
      obligations: [...obligations],
      ...error,
    },
  };
}

/** Tells an agent what it stated for nothing: its own words, and no name that a schema has. */
function tellIgnored({ ignored }: Rationale): { readonly ignored?: IgnoredMembers } {
  if (ignored === undefined) return {};
  return { ignored: { count: ignored.count, members: ignored.members.map(({ path, cause }) => ({ path, cause })) } };
}

/** The answer to an item of a batch that could not be decided: it is denied alone, and names the place of the error. */
export function toItemErrorAnswer(
  error: Pick<BadRequest, 'status' | 'code' | 'message' | 'at'>,
  index: number,
  isMinimal: boolean,
): EvaluationAnswer {
  if (isMinimal) return { decision: false };
  const at = error.at === '' ? `evaluations[${index}]` : `evaluations[${index}].${error.at}`;
  return {
    decision: false,
    context: { error: { status: error.status, code: error.code, message: error.message, at } },
  };
}
