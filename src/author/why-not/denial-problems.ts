/** Lists the problems that deny a question one by one, so that a change can be seen to remove one of them. */
import type { Redecision } from '../../records/redecide.js';
import { cedarPrincipal } from '../../model/acting.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { CedarOutcomes, CedarOutcome } from '../../decide/ask-cedar.js';
import { formatMissingValue } from '../../policy/missing-values.js';

export interface DenialProblem {
  /** Identifies the problem before and after a change. */
  readonly key: string;
  readonly code: ReasonCode;
  readonly message: string;
  /** The policy that denies, or fails. */
  readonly policy?: string;
  /** The principal that Cedar was asked about. */
  readonly principal?: EntityRef;
  /** A value that is nowhere, such as `status of employee:erin`. */
  readonly missing?: string;
}

/** @returns the problems in the order of the steps, each once */
export function findProblems({ evaluation }: Redecision): DenialProblem[] {
  const problems = evaluation.stepResults.flatMap(({ step, outcome }) =>
    outcome.outcome !== 'deny'
      ? []
      : outcome.reasons.flatMap(({ code, message }): DenialProblem[] => {
          const { bound, facts } = evaluation;
          if (bound === undefined || facts === undefined || !CEDAR_CODES.has(code))
            return [{ key: `${step} ${code}`, code, message }];
          return cedarOutcomes(facts.cedar, cedarPrincipal(bound.acting), step).flatMap(
            ({ principal, cedarOutcome, role }) =>
              cedarProblems(code, cedarOutcome, role).map((part) => ({
                ...part,
                key: `${code} ${part.policy ?? part.missing ?? ''} ${formatRef(principal)} ${role}`,
                code,
                message,
                principal,
              })),
          );
        }),
  );
  return [...new Map(problems.map((problem) => [problem.key, problem])).values()];
}

const CEDAR_CODES: ReadonlySet<ReasonCode> = new Set([
  'policy_forbid',
  'policy_no_permit',
  'policy_error',
  'attribute_missing',
]);

type CedarRole = 'acting' | 'earlier' | 'duties';

function cedarOutcomes(
  { acting, chain, duties }: CedarOutcomes,
  principal: EntityRef,
  step: string,
): { readonly principal: EntityRef; readonly cedarOutcome: CedarOutcome; readonly role: CedarRole }[] {
  if (step === 'obligations') return [{ principal, cedarOutcome: duties, role: 'duties' }];
  return [
    { principal, cedarOutcome: acting, role: 'acting' },
    ...chain.map(({ agent, outcome: cedarOutcome }) => ({
      principal: agent,
      cedarOutcome,
      role: 'earlier' as const,
    })),
  ];
}

/** The parts of one of Cedar's answers that a reason comes from. */
function cedarProblems(
  code: ReasonCode,
  cedarOutcome: CedarOutcome,
  role: CedarRole,
): Pick<DenialProblem, 'policy' | 'missing'>[] {
  if (code === 'attribute_missing')
    return cedarOutcome.kind === 'missing'
      ? cedarOutcome.values.map((value) => ({ missing: formatMissingValue(value) }))
      : [];
  if (cedarOutcome.kind !== 'answer') return [];
  const { decision, determining, errors } = cedarOutcome.answer;
  if (code === 'policy_error') return [...new Set(errors.map((e) => e.policy))].map((policy) => ({ policy }));
  if (code === 'policy_forbid') return decision === 'deny' ? determining.map((policy) => ({ policy })) : [];
  return role === 'acting' && decision === 'deny' && determining.length === 0 ? [{}] : [];
}
