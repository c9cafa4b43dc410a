/**
 * Searching: of its candidates each is judged by the steps of a decision, so what is found is exactly what single
 * questions would be allowed. One record says what was asked.
 */
import { v7 as uuid } from 'uuid';
import { tokenRecord } from '../conclude.js';
import { open, type Begun, type Deciding } from '../decide.js';
import { actingText, type Acting } from '../model/acting.js';
import type { SearchRecord } from '../model/decision.js';
import { BadRequest } from '../model/faults.js';
import { callerId, type Question } from '../model/question.js';
import { actingOf as statedActing } from '../steps/binding.js';
import { foreseeEach } from './list.js';

/** Candidates judged at one time, for a short page fewer; and in one search: where it stops, the next page goes on. */
const AT_ONCE = 250;
const AT_LEAST = 25;
export const MAX_LOOKED = 2000;

export interface Found {
  readonly results: readonly string[];
  /** The candidate after which the next page begins; undefined where nothing is left. */
  readonly after: string | undefined;
}

/**
 * The first of the candidates that would be allowed, in their order.
 * @param candidates after the page before, in a stable order
 * @throws Fault where one can't be decided: what is found must be all there is
 */
export async function firstAllowed(
  candidates: readonly string[],
  limit: number,
  ask: (candidate: string) => Question,
  using: Deciding,
): Promise<Found> {
  const results: string[] = [];
  const size = Math.min(AT_ONCE, Math.max(AT_LEAST, limit + 1));
  for (let from = 0; from < candidates.length; from += size) {
    const group = candidates.slice(from, from + size);
    const foreseen = await foreseeEach(group.map(ask), using);
    for (const [i, candidate] of group.entries()) {
      const one = foreseen[i];
      if (one instanceof BadRequest) throw one;
      if (one?.allowed !== true) continue;
      const last = results.at(-1);
      // One more than fits: only then is there another page, and an empty one is never promised.
      if (results.length === limit && last !== undefined) return { results, after: last };
      results.push(candidate);
    }
    const looked = from + group.length;
    if (looked >= MAX_LOOKED && looked < candidates.length) return { results, after: candidates[looked - 1] };
  }
  return { results, after: undefined };
}

/** @throws Fault: what isn't on record isn't answered */
export async function recordSearch(
  search: SearchRecord['search'],
  request: SearchRecord['request'],
  asked: Question,
  found: number,
  using: Deciding,
): Promise<void> {
  const [begun] = await open([asked], using);
  // Where nobody is named yet, only the token says who acts.
  const named = asked.token !== undefined || search !== 'subject';
  const acting = named && begun !== undefined && !(begun instanceof BadRequest) ? actingOf(begun) : undefined;
  await using.decisions.record({
    id: uuid(),
    evaluated_at: using.now().toISOString(),
    client: callerId(asked.caller),
    decision: found > 0,
    policy_version: using.rules().version,
    search,
    ...(acting?.grant === undefined ? {} : { token: tokenRecord(acting.grant) }),
    ...(acting === undefined ? {} : { acting: actingText(acting) }),
    request: { ...request, ...(asked.requestId === undefined ? {} : { request_id: asked.requestId }) },
    found,
  });
}

/** Undefined where the token step hasn't passed, or what it says doesn't agree. */
function actingOf({ opening, judged }: Begun): Acting | undefined {
  if (judged[0]?.outcome.outcome !== 'pass') return undefined;
  const acting = statedActing(opening);
  return 'code' in acting ? undefined : acting;
}
