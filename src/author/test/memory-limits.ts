/** Serves decisions what a scene says has been used of limits, as the store does for a service. */
import { windowAt } from '../../govern/limits/windows.js';
import type { Charge, LimitReading, LimitState, LimitUses } from '../../model/limits.js';
import { formatQuantityNumber } from '../../model/quantities.js';
import type { UseSpec } from './format.js';

/** The most decimals that there are, in which uses of different decimals are added. */
const SUM_DECIMALS = 18;

export class MemoryLimits implements LimitUses {
  private used: readonly (UseSpec & { readonly time: number })[] = [];

  /** @param now the time of those that state none */
  set(used: readonly UseSpec[], now: Date): void {
    this.used = used.map((use) => ({ ...use, time: use.at === undefined ? now.getTime() : Date.parse(use.at) }));
  }

  read(charges: readonly Charge[]): Promise<LimitState> {
    return Promise.resolve({ readings: Object.fromEntries(charges.map((charge) => [charge.key, this.sum(charge)])) });
  }

  private sum(charge: Charge): LimitReading {
    const counted = this.used.filter((use) => isCharged(use, charge) && isInWindow(use.time, charge));
    const value = counted.reduce((sum, use) => sum + toSummand(use, charge), 0n);
    const oldest = Math.min(...counted.map(({ time }) => time));
    return {
      used: formatQuantityNumber({ value, decimals: SUM_DECIMALS }),
      ...(charge.length === undefined || counted.length === 0 ? {} : { oldest }),
    };
  }
}

/** Whether the use is of the charge's action and parties; a party that it doesn't name is any. */
function isCharged(use: UseSpec, { owner, limit, parties }: Charge): boolean {
  return (
    owner.endsWith(`::${JSON.stringify(use.action)}`) &&
    limit.by.every((subject, i) => {
      const party = parties[i] ?? '';
      return use[subject] === undefined || party.slice(party.indexOf(':') + 1) === use[subject];
    })
  );
}

function isInWindow(time: number, { limit, since, end }: Charge): boolean {
  return end === undefined ? time >= (since ?? Number.NEGATIVE_INFINITY) : windowAt(limit, time).end === end;
}

function toSummand({ count, amount }: UseSpec, { limit: { bound } }: Charge): bigint {
  const factor = (decimals: number): bigint => 10n ** BigInt(SUM_DECIMALS - decimals);
  if (bound.unit === undefined) return BigInt(count ?? 1) * factor(0);
  return amount?.unit === bound.unit ? BigInt(amount.value) * factor(amount.decimals) : 0n;
}
