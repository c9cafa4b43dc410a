/** The thread that reads the rules' files, seen from the service. */
import { EngineWorker } from '../../runtime/worker-thread.js';
import type { Candidate } from './candidate.js';
import type { LivePaths } from './snapshot.js';

export class RuleReader {
  private worker: EngineWorker | undefined;
  private ended = false;

  constructor(
    private readonly paths: LivePaths,
    private readonly pollMs: number,
  ) {}

  /** As the files are now. @throws where the thread fails: the next call begins another */
  now(): Promise<Candidate> {
    return this.begun().call('now', undefined);
  }

  /** When the files are other than those of the fingerprint. @throws as {@link now}; and when it is closed */
  next(known: string): Promise<Candidate> {
    return this.begun().call('next', known);
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.worker?.kill();
  }

  private begun(): EngineWorker {
    if (this.ended) throw new TypeError('the reader has been closed');
    if (this.worker?.alive !== true) {
      const { paths, pollMs } = this;
      this.worker = new EngineWorker('./reader-worker.js', import.meta.url, { paths, pollMs });
    }
    return this.worker;
  }
}
