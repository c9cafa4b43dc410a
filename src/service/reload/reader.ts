/** The reader thread as the service calls it. It is started at its first use, and again after it has failed. */
import type { TestDemand } from '../../config/reload.js';
import { EngineWorker } from '../../runtime/worker-thread.js';
import type { PolicyCandidate } from './candidate.js';
import type { WatchedPaths } from './snapshot.js';

export class PolicyReader {
  private worker: EngineWorker | undefined;
  private isClosed = false;

  constructor(
    private readonly paths: WatchedPaths,
    private readonly pollMs: number,
    private readonly tests: TestDemand,
  ) {}

  /** Reads the files as they are at the operator's signal. @throws where the thread fails; the next call starts another */
  now(): Promise<PolicyCandidate> {
    return this.startWorker().call('now', undefined);
  }

  /** Resolves when the files differ from those of the fingerprint. @throws as {@link now}, and when the reader is closed */
  next(fingerprint: string): Promise<PolicyCandidate> {
    return this.startWorker().call('next', fingerprint);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.worker?.kill();
  }

  private startWorker(): EngineWorker {
    if (this.isClosed) throw new TypeError('the reader has been closed');
    if (this.worker?.alive !== true) {
      const { paths, pollMs, tests } = this;
      this.worker = new EngineWorker('./reader-worker.js', import.meta.url, { paths, pollMs, tests });
    }
    return this.worker;
  }
}
