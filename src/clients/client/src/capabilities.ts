/** The list of what an agent may do, as the service answers it. */
import { RemitUnavailable } from './errors.js';
import { NO_QUESTION, requireNotRefused } from './evaluation.js';
import { isRecord } from './strict-json.js';

export interface Capability {
  readonly resource_type: string;
  readonly actions: readonly {
    readonly name: string;
    readonly title: string;
    readonly status: string;
    readonly remedies: readonly object[];
  }[];
}

/** @throws RemitUnavailable; RemitDenied where it is empty since the token or the agent is refused, which is no answer of "nothing" */
export function readCapabilities(answer: unknown, decisionId: string | undefined): readonly Capability[] {
  if (!isRecord(answer) || !Array.isArray(answer['capabilities'])) throw new RemitUnavailable('answer');
  const capabilities = answer['capabilities'] as readonly Capability[];
  if (capabilities.length === 0) requireNotRefused(answer['context'], NO_QUESTION, decisionId);
  return capabilities;
}
