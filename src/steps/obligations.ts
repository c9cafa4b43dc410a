/** Step 7: which duties apply, and does the client say that it can carry them out? */
import { deny, pass, unknown, type Outcome } from '../model/outcome.js';
import { reason, type Reason } from '../model/reasons.js';
import type { FaultCode } from '../model/faults.js';
import { obligationsOf, type Obligation } from '../rules/duties.js';
import { cite, read } from './policy.js';
import type { Established, Facts, JudgingStep } from './step.js';

export const obligations: JudgingStep = {
  step: 'obligations',
  judge: (e, facts) => due(e, facts).outcome,
};

/** The obligations of an allow, and the step's outcome. */
export function due(
  e: Established,
  facts: Facts,
): { readonly outcome: Outcome; readonly obligations: readonly Obligation[] } {
  const { policies } = e.rules;
  const none: readonly Obligation[] = [];
  if (facts.entitiesFault !== undefined) return { outcome: unknown(facts.entitiesFault), obligations: none };
  const reasons: Reason[] = [];
  const faults: FaultCode[] = [];
  const answer = read(facts.cedar.duties, reasons, faults);
  const applying = answer?.determining ?? [];
  const found = obligationsOf(
    applying.flatMap((id) => policies.get(id)?.duties ?? []),
    e.on.resourceType,
  );
  const evidence = applying.length === 0 ? {} : { duties: cite(applying, policies) };
  const { supportedObligations: supported } = e.question;
  const unsupported = supported === undefined ? [] : found.filter((o) => !supported.includes(o.type));
  if (unsupported.length > 0) {
    reasons.push(
      reason('obligation_unsupported', `The client does not support: ${unsupported.map((o) => o.type).join(', ')}.`),
    );
  }
  if (reasons.length > 0)
    return {
      outcome: deny(
        reasons.map((r) => ({ ...r, step: 'obligations' })),
        evidence,
      ),
      obligations: none,
    };
  if (faults[0] !== undefined) return { outcome: unknown(faults[0], evidence), obligations: none };
  return { outcome: pass(evidence), obligations: found };
}
