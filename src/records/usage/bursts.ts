/** Bursts: stretches in which an agent asked many questions in a short time. */
import { groupAgentUses, type AgentUse } from './agent-use.js';

/** So many questions within this time are a burst. */
export const BURST_SIZE = 20;
export const BURST_MS = 5 * 60_000;

export interface Burst {
  readonly agent: string;
  /** The instants of its first and last question, RFC 3339. */
  readonly from: string;
  readonly to: string;
  /** The questions in it, lists included. */
  readonly decisions: number;
  readonly denied: number;
}

/** Finds the bursts of each agent. Those that overlap are one. */
export function findBursts(uses: readonly AgentUse[]): Burst[] {
  return groupAgentUses(uses, ({ agent }) => [agent]).flatMap(findAgentBursts);
}

function findAgentBursts(uses: readonly AgentUse[]): Burst[] {
  // A filter of several types is one question.
  const questions = [...new Map(uses.map((use) => [use.id, use])).values()].sort(
    (a, b) => Date.parse(a.at) - Date.parse(b.at),
  );
  const stretches: { first: number; last: number }[] = [];
  for (let first = 0; first + BURST_SIZE <= questions.length; first += 1) {
    const last = first + BURST_SIZE - 1;
    if (instantOf(questions[last]) - instantOf(questions[first]) > BURST_MS) continue;
    const before = stretches.at(-1);
    if (before !== undefined && before.last >= first) before.last = last;
    else stretches.push({ first, last });
  }
  return stretches.map(({ first, last }) => {
    const asked = questions.slice(first, last + 1);
    return {
      agent: asked[0]?.agent ?? '',
      from: asked[0]?.at ?? '',
      to: asked.at(-1)?.at ?? '',
      decisions: asked.length,
      denied: asked.filter(({ outcome }) => outcome === 'denied').length,
    };
  });
}

function instantOf(use: AgentUse | undefined): number {
  return Date.parse(use?.at ?? '');
}
