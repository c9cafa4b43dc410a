/**
 * The reasons and remedies of an answer, as its caller is told them: a client all, an agent what it can do next, and nothing
 * about the policies. With the page at which the user may delegate, where there is one.
 */
import type { Caller } from '../model/question.js';
import type { Reason, ReasonCode } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import { tellAgentRemedies } from '../policy/remedies.js';

/** A reason as it is told: of the agent's, a code with what its own question needs to know. */
type ToldReason = Pick<Reason, 'code' | 'resets_at' | 'at'> & Partial<Reason>;

export function tellReasons(reasons: readonly Reason[], caller: Caller): ToldReason[] {
  if (caller.kind === 'client') return [...reasons];
  return [...new Set(reasons.map(({ code }) => code))].map((code) => ({
    code,
    ...tellReset(code, reasons),
    ...tellPlace(code, reasons),
  }));
}

/** Tells an agent when all of the limits that it has reached have more, and nothing of how much is left. */
function tellReset(code: ReasonCode, reasons: readonly Reason[]): { readonly resets_at?: string } {
  const resets = reasons.filter((reason) => reason.code === code).map((reason) => reason.resets_at);
  const latest = resets
    .filter((reset) => reset !== undefined)
    .sort()
    .at(-1);
  // One that never has more is never lifted by waiting.
  return latest === undefined || resets.includes(undefined) ? {} : { resets_at: latest };
}

/** Tells an agent where its question differs from the one that was approved: a place of its own question. */
function tellPlace(code: ReasonCode, reasons: readonly Reason[]): { readonly at?: string } {
  const at = reasons.find((reason) => reason.code === code)?.at;
  return at === undefined ? {} : { at };
}

interface TellableDenial {
  readonly reasons: readonly Reason[];
  readonly remedies: readonly Remedy[];
}

/**
 * @param agent the id of the agent that acts; undefined where none is established
 * @param delegateUrl as the configuration has it
 */
export function tellRemedies(
  { reasons, remedies }: TellableDenial,
  caller: Caller,
  agent: string | undefined,
  delegateUrl: string | undefined,
): Remedy[] {
  const told = caller.kind === 'client' ? [...remedies] : tellAgentRemedies(remedies);
  if (agent === undefined || !lacksDelegation(reasons)) return told;
  const page = delegateUrl?.replaceAll('{agent}', encodeURIComponent(agent));
  return [...told, { type: 'delegation', ...(page === undefined ? {} : { delegate_url: page }) }];
}

export function lacksDelegation(reasons: readonly Reason[]): boolean {
  return reasons.some(({ code }) => code === 'delegation_missing');
}
