/** Whether what narrows a delegation leaves room for a question: a pure function of both. */
import type { DelegationState } from '../model/delegations.js';
import type { FaultCode } from '../model/faults.js';
import { checkDetailsCoverage, type CoverageRequest } from '../tokens/authorization-details.js';

/** The reason that a link of a delegation leaves no room for the question, or the fault for which it can't be told. */
export type DelegationProblem =
  | {
      readonly code: 'delegation_missing' | 'authorization_details_mismatch';
      readonly message: string;
      /** Set where nothing else is wrong than that the question doesn't state something. */
      readonly unstated?: boolean;
    }
  | { readonly fault: FaultCode };

/**
 * @param state undefined for a delegation that is a relationship alone, which narrows nothing
 * @param name of the link in messages
 */
export function findDelegationProblem(
  state: DelegationState | undefined,
  request: CoverageRequest,
  now: Date,
  name: string,
): DelegationProblem | undefined {
  // A bar is against what others pass on; of a relationship it says nothing.
  if (state === undefined || state.state === 'barred') return undefined;
  if (state.state === 'ended') return missing(`The delegation ${name} was ended.`);
  const { ends, details } = state;
  if (ends !== undefined && Date.parse(ends) <= now.getTime())
    return missing(`The delegation ${name} ended at ${ends}.`);
  if (!state[request.access])
    return missing(
      request.access === 'online'
        ? `The delegation ${name} is for use in the background only.`
        : `The delegation ${name} is for use while the user is there, not in the background.`,
    );
  if (details === undefined) return undefined;
  const { problem, fault, unstated } = checkDetailsCoverage(details, request, `details of the delegation ${name}`);
  if (problem === undefined) return undefined;
  return fault === undefined ? { code: 'authorization_details_mismatch', message: problem, unstated } : { fault };
}

function missing(message: string): DelegationProblem {
  return { code: 'delegation_missing', message };
}
