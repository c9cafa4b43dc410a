/**
 * A queue whose callers take turns: the next in it is the oldest of the caller whose turn it is, however much others have
 * brought before. Groups within a group share its turns.
 */
import type { CallerGroups } from './fair-limit.js';

export class FairQueue<T> {
  /** What no further group is named for: the oldest first. */
  private readonly own: T[] = [];
  /** The groups that have something here, the one whose turn it is first; undefined stands for `own`. */
  private readonly turns = new Map<string | undefined, FairQueue<T> | undefined>();

  /** Adds to the end of what these groups have. */
  push(groups: CallerGroups, item: T): void {
    const [group, ...within] = groups;
    if (group === undefined) {
      this.own.push(item);
      this.turns.set(undefined, undefined);
      return;
    }
    const part = this.turns.get(group) ?? new FairQueue<T>();
    this.turns.set(group, part);
    part.push(within, item);
  }

  get isEmpty(): boolean {
    return this.turns.size === 0;
  }

  /** The next, which stays; undefined where the queue is empty. */
  peek(): T | undefined {
    const [turn] = this.turns;
    return turn?.[1] === undefined ? this.own[0] : turn[1].peek();
  }

  /** Takes the next out of the queue; then it is another's turn. */
  shift(): T | undefined {
    const [turn] = this.turns;
    if (turn === undefined) return undefined;
    const [group, part] = turn;
    const item = part === undefined ? this.own.shift() : part.shift();
    this.turns.delete(group);
    if (part === undefined ? this.own.length > 0 : !part.isEmpty) this.turns.set(group, part);
    return item;
  }
}
