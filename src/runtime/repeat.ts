/** Repeats work in the background, until it is stopped: sweeps, and what waits in the database for a replica to take it. */
import { BadRequest, Fault } from '../model/faults.js';

export interface RepeatOptions {
  /** The pause between the end of one turn and the next, in milliseconds. */
  readonly pauseMs: number;
  /** Called with the first failure of a row of them. A failure is tried again at the next turn. */
  readonly onFailing: (error: Error) => void;
}

export interface RepeatedWork {
  /** Has the next turn begin now. */
  readonly wake: () => void;
  /** Resolves once a turn under way is done. */
  readonly stop: () => Promise<void>;
}

/**
 * Begins with a turn at once.
 * @param work a turn; what it throws other than faults is a bug, and stays loud
 */
export function repeat(work: () => Promise<void>, { pauseMs, onFailing }: RepeatOptions): RepeatedWork {
  let isFailing = false;
  let isWoken = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> | undefined;
  const next = (): void => {
    clearTimeout(timer);
    isWoken = false;
    turn = work()
      .then(() => {
        isFailing = false;
      })
      .catch((error: unknown) => {
        if (!(error instanceof Fault || error instanceof BadRequest)) throw error;
        if (!isFailing) onFailing(error);
        isFailing = true;
      })
      .finally(() => {
        turn = undefined;
        if (isStopped) return;
        if (isWoken && !isFailing) next();
        else timer = setTimeout(next, pauseMs).unref();
      });
  };
  next();
  return {
    wake: () => {
      if (isStopped) return;
      if (turn === undefined) next();
      else isWoken = true;
    },
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await turn;
    },
  };
}
