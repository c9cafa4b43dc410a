/** Asks the graph as it is now who may answer what, by the rules in force. */
import type { EligibilityDeps } from '../govern/approvals/eligibility.js';
import { GraphSnapshot } from '../graph/snapshot.js';
import type { Rules } from '../policy/load.js';
import { Deadline } from '../runtime/deadline.js';
import type { Service } from '../service/service.js';

export interface ApproverGraph extends EligibilityDeps {
  readonly rules: Rules;
}

/** @throws Fault `deadline_exceeded` where it takes longer */
export function askApproverGraph<T>(
  { activePolicies, config }: Pick<Service, 'activePolicies' | 'config'>,
  deadlineMs: number,
  ask: (graph: ApproverGraph, deadline: Deadline) => Promise<T>,
): Promise<T> {
  return activePolicies.withSnapshot(({ relationships, rules }) => {
    const { administeredBy, deputies } = config.approvals;
    const graph = new GraphSnapshot(relationships, 'full');
    const approverGraph = { graph, rules: rules(), administeredBy, deputies };
    return Deadline.run(deadlineMs, (deadline) => ask(approverGraph, deadline));
  });
}
