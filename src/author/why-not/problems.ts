/** What stands in the way of an allow, one by one, so that it can be told whether a change removed one. */
import type { Again } from '../../decide/decide.js';
import { principal } from '../../model/acting.js';
import { refText, type EntityRef } from '../../model/ids.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { Cedar, Consulted } from '../../decide/ask-cedar.js';

export interface Problem {
  /** The same for the same problem before and after a change. */
  readonly key: string;
  readonly code: ReasonCode;
  readonly message: string;
  /** Of the policy step: which, and asked for whom. */
  readonly policy?: string;
  readonly who?: EntityRef;
  /** Names that are missing, `employee.status`. */
  readonly attributes?: readonly string[];
}

/** In the order of the steps. */
export function problemsOf({ course }: Again): Problem[] {
  const found = course.judged.flatMap(({ step, outcome }) =>
    outcome.outcome !== 'deny'
      ? []
      : outcome.reasons.flatMap(({ code, message }): Problem[] => {
          const { established, facts } = course;
          if (established === undefined || facts === undefined || !OF_CEDAR.has(code))
            return [{ key: `${step} ${code}`, code, message }];
          return consulted(facts.cedar, principal(established.acting), step).flatMap(({ who, consulted: one, role }) =>
            ofCedar(code, one, role).map((part) => ({
              ...part,
              key: `${code} ${part.policy ?? part.attributes?.join() ?? ''} ${refText(who)} ${role}`,
              code,
              message,
              who,
            })),
          );
        }),
  );
  return [...new Map(found.map((problem) => [problem.key, problem])).values()];
}

const OF_CEDAR: ReadonlySet<ReasonCode> = new Set([
  'policy_forbid',
  'policy_no_permit',
  'policy_error',
  'attribute_missing',
]);

type Role = 'acting' | 'earlier' | 'duties';

function consulted(
  { acting, chain, duties }: Cedar,
  who: EntityRef,
  step: string,
): { readonly who: EntityRef; readonly consulted: Consulted; readonly role: Role }[] {
  if (step === 'obligations') return [{ who, consulted: duties, role: 'duties' }];
  return [
    { who, consulted: acting, role: 'acting' },
    ...chain.map(({ agent, consulted: one }) => ({ who: agent, consulted: one, role: 'earlier' as const })),
  ];
}

/** What one of Cedar's answers has to do with a reason. */
function ofCedar(code: ReasonCode, one: Consulted, role: Role): Pick<Problem, 'policy' | 'attributes'>[] {
  if (code === 'attribute_missing')
    return one.kind === 'missing' ? one.attributes.map((name) => ({ attributes: [name] })) : [];
  if (one.kind !== 'answer') return [];
  const { decision, determining, errors } = one.answer;
  if (code === 'policy_error') return [...new Set(errors.map((e) => e.policy))].map((policy) => ({ policy }));
  if (code === 'policy_forbid') return decision === 'deny' ? determining.map((policy) => ({ policy })) : [];
  return role === 'acting' && decision === 'deny' && determining.length === 0 ? [{}] : [];
}
