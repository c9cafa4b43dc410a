/** The values that policies read when a decision was made. `remit diff` shows them, so that an example says what decided it. */
import { collectRequestFacts } from '../../decide/ask-cedar.js';
import type { Evaluation } from '../../decide/evaluation.js';
import { collectCedarFacts } from '../../decide/facts.js';
import { cedarPrincipal } from '../../model/acting.js';
import { buildCedarRequest } from '../../policy/cedar-request.js';
import { listSortedPaths, readValueAt } from './values.js';

/**
 * @param policyIds those of the policies; what isn't asked of this kind of question reads nothing
 * @returns the values in Cedar's syntax, by their paths
 */
export function readPolicyValues(
  { bound, facts }: Pick<Evaluation, 'bound' | 'facts'>,
  policyIds: ReadonlySet<string>,
): Readonly<Record<string, string>> {
  if (bound === undefined || facts === undefined) return {};
  const { rules, target, acting, principalType } = bound;
  const cedarFacts = collectCedarFacts(bound, facts);
  const requestFacts = collectRequestFacts(bound, cedarFacts);
  const principal = { ref: cedarPrincipal(acting), type: principalType };
  const values = new Map<string, string>();
  for (const policies of [rules.deciding, rules.duties]) {
    const slice = policies.slice(principalType, target.action, target.resourceType);
    const read = slice.policies.filter(({ id }) => policyIds.has(id));
    if (read.length === 0) continue;
    const { request } = buildCedarRequest(requestFacts, principal, slice.reads, rules.vocabulary, cedarFacts.reachable);
    for (const path of read.flatMap(({ json }) => listSortedPaths(json.conditions)))
      if (path[0] !== 'action') values.set(path.join('.'), readValueAt(path, request));
  }
  return Object.fromEntries(values);
}
