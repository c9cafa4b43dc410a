/** Serves decisions what a scene says has been used of limits, as the store does for a service. */
import { windowAt } from '../../govern/limits/windows.js';
import { LIMIT_SUBJECTS, type Charge, type LimitReading, type LimitState, type LimitUses } from '../../model/limits.js';
import { formatQuantityNumber } from '../../model/quantities.js';
import type { ConsentSpec, UseSpec } from './format.js';
import { nameConsent } from './memory-consents.js';

/** The most decimals that there are, in which uses of different decimals are added. */
const SUM_DECIMALS = 18;

export class MemoryLimits implements LimitUses {
  private used: readonly (UseSpec & { readonly time: number })[] = [];
  private consents: readonly ConsentSpec[] = [];

  /** @param now the time of those that state none */
  set(used: readonly UseSpec[], consents: readonly ConsentSpec[], now: Date): void {
    this.consents = consents;
    this.used = used.map((use) => ({ ...use, time: use.at === undefined ? now.getTime() : Date.parse(use.at) }));
  }

  read(charges: readonly Charge[]): Promise<LimitState> {
    return Promise.resolve({ readings: Object.fromEntries(charges.map((charge) => [charge.key, this.sum(charge)])) });
  }

  private sum(charge: Charge): LimitReading {
    const counted = this.used.filter((use) => isCharged(use, charge, this.consents) && isInWindow(use.time, charge));
    const value = counted.reduce((sum, use) => sum + toSummand(use, charge), 0n);
    const oldest = Math.min(...counted.map(({ time }) => time));
    return {
      used: formatQuantityNumber({ value, decimals: SUM_DECIMALS }),
      ...(charge.length === undefined || counted.length === 0 ? {} : { oldest }),
    };
  }
}

/** Whether the use counts for what has the limit, and is of its parties; a party that it doesn't name is any. */
function isCharged(use: UseSpec, charge: Charge, consents: readonly ConsentSpec[]): boolean {
  const { limit, grant, parties } = charge;
  const subjects = grant === undefined ? limit.by : LIMIT_SUBJECTS;
  return (
    isOfOwner(use, charge, consents) &&
    subjects.every((subject, i) => {
      const party = parties[i] ?? '';
      return use[subject] === undefined || party.slice(party.indexOf(':') + 1) === use[subject];
    })
  );
}

/** A delegation counts every use, and a consent those of the actions that it names. */
function isOfOwner({ action }: UseSpec, { owner, grant }: Charge, consents: readonly ConsentSpec[]): boolean {
  if (grant === undefined) return owner.endsWith(`::${JSON.stringify(action)}`);
  if (grant.kind === 'delegation') return true;
  const consent = consents.find((_, i) => nameConsent(i) === grant.id);
  return consent?.details.some(({ actions }) => actions?.includes(action) ?? true) ?? false;
}

function isInWindow(time: number, { limit, since, end }: Charge): boolean {
  return end === undefined ? time >= (since ?? Number.NEGATIVE_INFINITY) : windowAt(limit, time).end === end;
}

function toSummand({ count, amount }: UseSpec, { limit: { bound } }: Charge): bigint {
  const factor = (decimals: number): bigint => 10n ** BigInt(SUM_DECIMALS - decimals);
  if (bound.unit === undefined) return BigInt(count ?? 1) * factor(0);
  return amount?.unit === bound.unit ? BigInt(amount.value) * factor(amount.decimals) : 0n;
}
