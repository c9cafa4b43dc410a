/**
 * A queue whose callers take turns: the next in it is the oldest of the caller whose turn it is, however much others have
 * brought before. A turn is as long for each, by what the items weigh: what one item has beyond it, its caller waits for
 * later. Groups within a group share its turns.
 */
import type { CallerGroups } from './fair-limit.js';

interface Turn<T> {
  /** The items of the group; undefined for items that no further group is named for. */
  readonly part: FairQueue<T> | undefined;
  /** The weight that the group may still take before it is another's turn. */
  left: number;
}

export interface TurnLength<T> {
  readonly weigh: (item: T) => number;
  /** The weight of a turn. */
  readonly weight: number;
}

export class FairQueue<T> {
  /** The items that no further group is named for, the oldest first. */
  private readonly own: T[] = [];
  /** The groups that have something here, the one whose turn it is first; undefined stands for `own`. */
  private readonly turns = new Map<string | undefined, Turn<T>>();

  /** @param turnLength absent: a turn is one item */
  constructor(private readonly turnLength: TurnLength<T> = { weigh: () => 1, weight: 1 }) {}

  /** Adds to the end of what these groups have. */
  push(groups: CallerGroups, item: T): void {
    const [group, ...within] = groups;
    let turn = this.turns.get(group);
    if (turn === undefined) {
      const part = group === undefined ? undefined : new FairQueue<T>(this.turnLength);
      turn = { part, left: this.turnLength.weight };
      this.turns.set(group, turn);
    }
    if (turn.part === undefined) this.own.push(item);
    else turn.part.push(within, item);
  }

  get isEmpty(): boolean {
    return this.turns.size === 0;
  }

  /** The next, which stays; undefined where the queue is empty. */
  peek(): T | undefined {
    const [, turn] = this.findTurn() ?? [];
    return turn?.part === undefined ? this.own[0] : turn.part.peek();
  }

  /** Takes the next out of the queue. */
  shift(): T | undefined {
    const [group, turn] = this.findTurn() ?? [];
    if (turn === undefined) return undefined;
    const item = turn.part === undefined ? this.own.shift() : turn.part.shift();
    if (item !== undefined) turn.left -= this.turnLength.weigh(item);
    if (turn.part === undefined ? this.own.length === 0 : turn.part.isEmpty) this.turns.delete(group);
    return item;
  }

  /** Finds the group whose turn it is: groups that have used up theirs go to the end, with a further one. */
  private findTurn(): readonly [string | undefined, Turn<T>] | undefined {
    for (const [group, turn] of this.turns) {
      if (turn.left > 0) return [group, turn];
      turn.left += this.turnLength.weight;
      this.turns.delete(group);
      this.turns.set(group, turn);
    }
    return undefined;
  }
}
