/** Step 7: which duties apply, and does the client say that it can carry them out? */
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { FaultCode } from '../../model/faults.js';
import { obligationsOf } from '../../policy/duties.js';
import { cite } from '../cedar-outcome.js';
import { read } from '../cedar-outcome.js';
import type { JudgingStep } from '../step.js';

export const obligations: JudgingStep = {
  step: 'obligations',

  judge: (e, facts) => {
    const { policies } = e.rules;
    if (facts.entitiesFault !== undefined) return unknown(facts.entitiesFault);
    const reasons: Reason[] = [];
    const faults: FaultCode[] = [];
    const applying = read(facts.cedar.duties, reasons, faults)?.determining ?? [];
    const due = obligationsOf(
      applying.map((id) => policies.get(id)?.duties ?? []),
      e.on.resourceType,
    );
    const evidence = applying.length === 0 ? {} : { duties: cite(applying, policies) };
    const { supportedObligations: supported } = e.question;
    const unsupported = supported === undefined ? [] : due.filter((o) => !supported.includes(o.type));
    if (unsupported.length > 0) {
      const types = unsupported.map((o) => o.type).join(', ');
      reasons.push(reason('obligation_unsupported', `The client does not support: ${types}.`));
    }
    if (reasons.length > 0) {
      return deny(
        reasons.map((r) => ({ ...r, step: 'obligations' })),
        evidence,
      );
    }
    return faults[0] === undefined ? pass(evidence, due) : unknown(faults[0], evidence);
  },
};
