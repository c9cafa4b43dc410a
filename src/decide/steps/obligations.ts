/** Step 7: which duties apply, and does the client say that it can carry them out? */
import { refText } from '../../model/ids.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { FaultCode } from '../../model/faults.js';
import { obligationsOf, type Occasion } from '../../policy/duties.js';
import { cite } from '../cedar-outcome.js';
import { read } from '../cedar-outcome.js';
import type { Established } from '../bound-question.js';
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
      occasionOf(e),
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

/** The request in the words of its action's title: "agent:code-bot for user:ann: Merge a branch (repository:api)". */
function occasionOf({ on, acting, question }: Established): Occasion {
  const parties = [acting.agent, acting.user].flatMap((party) => (party === undefined ? [] : [refText(party)]));
  return {
    topic: `${on.resourceType.object}.${on.action.name}`,
    body: `${parties.join(' for ')}: ${on.action.title} (${refText(question.resource)})`,
  };
}
