/** The deadline of a decision: one limit of time for everything that it waits for. */
import { Fault, type FaultCode } from '../model/faults.js';
import { Timeout } from './timeout.js';

export class Deadline {
  /** Runs `work` under a deadline of its own. @param ms from now */
  static async run<T>(ms: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const timeout = new Timeout(ms, () => {
      throw new Fault('deadline_exceeded');
    });
    try {
      return await work(new Deadline(timeout));
    } finally {
      timeout.clear();
    }
  }

  private constructor(private readonly timeout: Timeout<never>) {}

  /** Waits for `work`, but not beyond the deadline. @throws Fault `deadline_exceeded`; otherwise the error of `work` */
  race<T>(work: Promise<T>): Promise<T> {
    return this.timeout.race(work);
  }
}

/** The code of an engine's failure. @throws the error where it is no Fault: a bug must not pass for an outage */
export function engineFaultCode(error: unknown): FaultCode {
  if (error instanceof Fault) return error.code;
  throw error;
}
