/** One deadline for all that a decision waits for. */
import { Fault, type FaultCode } from '../model/faults.js';

/** Holds every wait of a decision to one deadline; what comes after it is no longer waited for. */
export class Deadline {
  /** The work under a deadline of its own. @param ms from now */
  static async run<T>(ms: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const deadline = new Deadline(ms);
    try {
      return await work(deadline);
    } finally {
      deadline.clear();
    }
  }

  private readonly timer: NodeJS.Timeout;
  private readonly expired: Promise<never>;

  private constructor(ms: number) {
    let reject: (fault: Fault) => void = () => undefined;
    this.expired = new Promise<never>((_, r) => (reject = r));
    this.expired.catch(() => undefined);
    this.timer = setTimeout(() => {
      reject(new Fault('deadline_exceeded'));
    }, ms);
  }

  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.expired]);
  }

  private clear(): void {
    clearTimeout(this.timer);
  }
}

/** The code of a failure that is an engine's; a bug stays loud. */
export function engineFaultCode(error: unknown): FaultCode {
  if (error instanceof Fault) return error.code;
  throw error;
}
