/**
 * Notes in memory what the dry runs of one batch would use, so that each finds what the others have left by then. Nothing of it
 * is stored. The evaluation route decides dry runs of a batch with it.
 */
import { NotedEvents } from '../govern/history/noted-events.js';
import { findRooms, hasRoom } from '../govern/limits/judge.js';
import type { Approval, Approvals } from '../model/approvals.js';
import type { HistoryAnswers } from '../model/history.js';
import type { Charge, LimitReading, LimitState, RecordResult, Reservation, RetryKey } from '../model/limits.js';
import { formatQuantityNumber, MAX_DECIMALS, readDecimalNumber } from '../model/quantities.js';
import type { DecisionDeps } from './decide.js';

/** Makes of the engines and stores those of dry runs, whose uses are noted and not stored. No other question may be decided with them. */
export function rehearse(deps: DecisionDeps): DecisionDeps {
  const { limits, approvals, decisions, history } = deps;
  const uses = new RehearsedUses();
  const read: DecisionDeps['limits']['read'] = async (charges, retry, approval) =>
    uses.addTo(await limits.read(charges, retry, approval), approval);
  return {
    ...deps,
    rehearses: true,
    limits: { read },
    history: { fetch: async (queries) => uses.past.addTo(await history.fetch(queries), queries) },
    approvals: {
      fetch: async (presented) => uses.addToApprovals(await approvals.fetch(presented)),
      findRefusals: (questions, now) => approvals.findRefusals(questions, now),
    },
    decisions: {
      record: async (record, account, reservation, effects) => {
        const overtaken = reservation === undefined ? undefined : uses.take(
          reservation,
          await readState(reservation, limits.read.bind(limits)),
          await readPast(reservation, history),
        );
        return overtaken ?? decisions.record(record, account, undefined, effects);
      },
      correct: (record, account) => {
        decisions.correct(record, account, false);
      },
    },
  };
} // prettier-ignore

/** Reads what is really used of all that the reservation names. */
function readState(
  { parts, others = [], retry }: Reservation,
  read: (charges: readonly Charge[], retry: RetryKey | undefined) => Promise<LimitState>,
): Promise<LimitState> {
  const charges = [...parts.flatMap((part) => part.charges), ...others];
  return read([...new Map(charges.map((charge) => [charge.key, charge])).values()], retry);
}

/** Reads what has really happened. */
async function readPast({ history }: Reservation, past: DecisionDeps['history']): Promise<HistoryAnswers> {
  const queries = (history?.answered ?? []).map(({ query }) => query);
  return queries.length === 0 ? new Map() : past.fetch(queries);
}

class RehearsedUses {
  readonly past = new NotedEvents();
  /** The quantities by the keys of their charges, in {@link MAX_DECIMALS}. */
  private readonly quantities = new Map<string, bigint>();
  /** The approvals for one use, by their ids, with the decision that uses each. */
  private readonly usedApprovals = new Map<string, string>();
  private readonly singleUse = new Set<string>();
  /** The time of the first use, in milliseconds since 1970. */
  private since: number | undefined;

  /** Notes what is used. @returns the state, with nothing noted, where too little is left */
  take(
    { at, parts, approval, history }: Reservation,
    state: LimitState,
    answers: HistoryAnswers,
  ): RecordResult | undefined {
    const answered = history?.answered ?? [];
    const past = this.past.addTo(
      answers,
      answered.map(({ query }) => query),
    );
    const left = { ...this.addTo(state, undefined), history: Object.fromEntries(past) };
    const hasChanged = answered.some(({ query, value }) => past.get(query.id) !== value);
    const charges = parts.flatMap((part) => part.charges);
    const rooms = findRooms({ charges }, left);
    const user = approval && this.usedApprovals.get(approval.id);
    const isUsed = user !== undefined && user !== approval?.decision;
    if (isUsed || hasChanged || !rooms.every(hasRoom)) return { kind: 'overtaken', state: left };
    this.past.note(history?.events ?? []);
    this.since ??= at;
    for (const { charge, unheld } of rooms) {
      const { decimals } = charge.limit.bound;
      const added = unheld * 10n ** BigInt(MAX_DECIMALS - decimals);
      this.quantities.set(charge.key, (this.quantities.get(charge.key) ?? 0n) + added);
    }
    if (approval !== undefined && this.singleUse.has(approval.id))
      this.usedApprovals.set(approval.id, approval.decision);
    return undefined;
  }

  /** The state with what was noted. @param approval the one whose use it tells */
  addTo(state: LimitState, approval: string | undefined): LimitState {
    const readings = Object.entries(state.readings).map(([key, reading]): [string, LimitReading] => {
      const noted = this.quantities.get(key);
      if (noted === undefined) return [key, reading];
      const value = readDecimalNumber(reading.used, MAX_DECIMALS) + noted;
      const oldest = reading.oldest ?? (noted > 0n ? this.since : undefined);
      const used = formatQuantityNumber({ value, decimals: MAX_DECIMALS });
      return [key, { ...reading, used, ...(oldest === undefined ? {} : { oldest }) }];
    });
    const user = approval === undefined ? undefined : this.usedApprovals.get(approval);
    const use = user === undefined ? {} : { approval: { used_by: user } };
    return { ...state, readings: Object.fromEntries(readings), ...use };
  }

  addToApprovals(stored: Awaited<ReturnType<Approvals['fetch']>>): ReadonlyMap<string, Approval> {
    return new Map(
      [...stored].map(([id, approval]) => {
        if (approval.scope === 'once') this.singleUse.add(id);
        const user = this.usedApprovals.get(id);
        return [id, user === undefined ? approval : { ...approval, used_by: user }];
      }),
    );
  }
}
