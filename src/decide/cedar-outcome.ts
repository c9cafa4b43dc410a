/** Reading what Cedar answered, for the steps that judge it. */
import type { FaultCode } from '../model/faults.js';
import { type Reason, reason } from '../model/reasons.js';
import type { Answer } from '../policy/cedar.js';
import type { Policy } from '../policy/policies.js';
import type { Consulted } from './ask-cedar.js';

/** Cedar's answer where there is one; what stands in its way is added to the lists. */
export function read(consulted: Consulted, reasons: Reason[], faults: FaultCode[], whose = ''): Answer | undefined {
  switch (consulted.kind) {
    case 'missing':
      reasons.push(reason('attribute_missing', `Nowhere to be found${whose}: ${consulted.attributes.join(', ')}.`));
      return undefined;
    case 'fault':
      faults.push(consulted.fault);
      return undefined;
    case 'withheld':
      // Only where the relationship step has denied, which outweighs this.
      faults.push('policies_unavailable');
      return undefined;
    case 'answer': {
      const { errors } = consulted.answer;
      if (errors.length > 0) {
        const ids = [...new Set(errors.map((e) => e.policy).filter((id) => id !== ''))].sort();
        reasons.push(reason('policy_error', `Failed${whose}: ${errors.map((e) => e.message).join('; ')}`, ids));
      }
      return consulted.answer;
    }
  }
}

export function cite(ids: readonly string[], policies: ReadonlyMap<string, Policy>): object[] {
  return ids.flatMap((id) => {
    const policy = policies.get(id);
    return policy === undefined
      ? []
      : [{ id, ...(policy.title === undefined ? {} : { title: policy.title }), source: policy.source }];
  });
}
