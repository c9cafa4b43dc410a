/** Step 7: which duties apply, and does the client say that it can carry them out? */
import { describeRef } from '../../model/ids.js';
import { deny, pass, unknown, type Evidence } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { FaultCode } from '../../model/faults.js';
import {
  hasClientDuty,
  listReviewPermissions,
  uniteDuties,
  withOccasion,
  type Duty,
  type Occasion,
} from '../../policy/duties.js';
import type { EntityType } from '../../policy/schema/action.js';
import { memoizeByObjects } from '../../runtime/memoize.js';
import { citePolicies, readCedarAnswer } from '../cedar-outcome.js';
import type { BoundQuestion } from '../bound-question.js';
import type { JudgingStep } from '../step.js';

export const obligationsStep: JudgingStep = {
  step: 'obligations',

  judge: (bound, facts) => {
    const { policies } = bound.rules;
    if (facts.entitiesFault !== undefined) return unknown(facts.entitiesFault);
    const reasons: Reason[] = [];
    const faults: FaultCode[] = [];
    const matchingDuties = readCedarAnswer('obligations', facts.cedar.duties, reasons, faults)?.determining ?? [];
    const obligations = withOccasion(listObligations(matchingDuties, policies, bound.target.resourceType), () =>
      occasionOf(bound),
    );
    const evidence = citeDuties(matchingDuties, policies);
    const { supportedObligations: supported } = bound.question;
    const unsupported = obligations.filter((o) => !supported.includes(o.type));
    if (unsupported.length > 0) {
      const types = unsupported.map((o) => o.type).join(', ');
      reasons.push(
        reason(
          'obligations',
          'obligation_unsupported',
          `Neither the request nor the configuration of its client says that it can carry out: ${types}.`,
        ),
      );
    }
    if (reasons.length > 0) return deny(reasons, evidence);
    return faults[0] === undefined ? pass(evidence, obligations) : unknown(faults[0], evidence);
  },
};

/** The policies whose duties apply. Those that have it reviewed stand apart: clients aren't told of them. */
function citeDuties(ids: readonly string[], policies: BoundQuestion['rules']['policies']): Evidence {
  const dutiesOf = (id: string): readonly Duty[] => policies.get(id)?.duties ?? [];
  const duties = ids.filter((id) => hasClientDuty(dutiesOf(id)));
  const reviews = ids.filter((id) => listReviewPermissions(dutiesOf(id)).length > 0);
  return {
    ...(duties.length === 0 ? {} : { duties: citePolicies(duties, policies) }),
    ...(reviews.length === 0 ? {} : { reviews: citePolicies(reviews, policies) }),
  };
}

/** The obligations of the duties that match. Questions of a list that Cedar answers alike share an answer, and so these. */
const listObligations = memoizeByObjects(
  (matchingDuties: readonly string[], policies: BoundQuestion['rules']['policies'], resource: EntityType) =>
    uniteDuties(
      matchingDuties.map((id) => policies.get(id)?.duties ?? []),
      resource,
    ),
);

/** The request in the words of its action's title: "agent:code-bot for user:ann: Merge a branch (repository:api)". */
function occasionOf({ target, acting, question }: BoundQuestion): Occasion {
  const parties = [acting.agent, acting.user].flatMap((party) => (party === undefined ? [] : [describeRef(party)]));
  return {
    topic: `${target.resourceType.object}.${target.action.name}`,
    body: `${parties.join(' for ')}: ${target.action.title} (${describeRef(question.resource)})`,
  };
}
