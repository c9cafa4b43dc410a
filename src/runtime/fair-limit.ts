/**
 * A limit that callers share fairly: on requests in flight, bytes in memory, decisions at one time. No group of callers may
 * hold more than is free, so one alone gets half, two get a third each, and a caller that comes new finds room.
 */
import { Fault } from '../model/faults.js';

/**
 * The groups that a caller belongs to, the widest first: what can be made in any number (agents of a user, users of an
 * issuer) shares the part of what it is made by.
 */
export type CallerGroups = readonly string[];

interface WaitingCaller {
  readonly groups: CallerGroups;
  readonly amount: number;
  readonly enter: () => void;
}

export class FairLimit {
  private taken = 0;
  /** The amount that each group holds; groups that hold nothing are not in it. */
  private readonly held = new Map<string, number>();
  private readonly waitingCallers = new Set<WaitingCaller>();

  constructor(private readonly capacity: number) {}

  /** The amount that all callers hold together. */
  get active(): number {
    return this.taken;
  }

  get waiting(): number {
    return this.waitingCallers.size;
  }

  /** Groups that hold something. */
  get groupCount(): number {
    return this.held.size;
  }

  /** Whether a caller may take as much now. Its first amount only has to fit. */
  hasRoom(groups: CallerGroups, amount: number): boolean {
    let room = this.capacity - this.taken;
    if (amount > room) return false;
    for (const group of groups) {
      const amountHeld = this.held.get(group) ?? 0;
      if (amountHeld > 0 && amountHeld + amount > room) return false;
      // A group within another has to leave room for its neighbours there.
      room -= amountHeld;
    }
    return true;
  }

  /** Takes an amount if there is room. @returns whether it did; then {@link release} has to follow */
  tryTake(groups: CallerGroups, amount: number): boolean {
    if (!this.hasRoom(groups, amount)) return false;
    this.take(groups, amount);
    return true;
  }

  /** Takes an amount whether or not there is room: it is there already, and others have to wait for it. */
  take(groups: CallerGroups, amount: number): void {
    this.taken += amount;
    for (const group of groups) this.held.set(group, (this.held.get(group) ?? 0) + amount);
  }

  /**
   * Takes an amount, and waits for room if need be. {@link release} has to follow.
   * @param waitMs the longest wait
   * @throws Fault `overloaded` where there is no room in time
   */
  async waitForRoom(groups: CallerGroups, amount: number, waitMs: number): Promise<void> {
    if (this.tryTake(groups, amount)) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waitingCallers.delete(caller);
        reject(new Fault('overloaded', `no room came free within ${waitMs} ms`));
      }, waitMs);
      const caller: WaitingCaller = {
        groups,
        amount,
        enter: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.waitingCallers.add(caller);
    });
  }

  /** Returns an amount, and lets callers in that have waited for room, the first first. */
  release(groups: CallerGroups, amount: number): void {
    this.taken -= amount;
    for (const group of groups) {
      const rest = (this.held.get(group) ?? 0) - amount;
      if (rest > 0) this.held.set(group, rest);
      else this.held.delete(group);
    }
    for (const caller of this.waitingCallers) {
      if (this.taken >= this.capacity) return;
      if (!this.tryTake(caller.groups, caller.amount)) continue;
      this.waitingCallers.delete(caller);
      caller.enter();
    }
  }
}
