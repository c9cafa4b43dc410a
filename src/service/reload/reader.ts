/** The thread that reads the rules' files, seen from the service. */
import { EngineWorker } from '../../runtime/worker-thread.js';
import type { PolicyCandidate } from './candidate.js';
import type { WatchedPaths } from './snapshot.js';

export class PolicyReader {
  private worker: EngineWorker | undefined;
  private isClosed = false;

  constructor(
    private readonly paths: WatchedPaths,
    private readonly pollMs: number,
  ) {}

  /** As the files are now. @throws where the thread fails: the next call begins another */
  now(): Promise<PolicyCandidate> {
    return this.startWorker().call('now', undefined);
  }

  /** When the files are other than those of the fingerprint. @throws as {@link now}; and when it is closed */
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
      const { paths, pollMs } = this;
      this.worker = new EngineWorker('./reader-worker.js', import.meta.url, { paths, pollMs });
    }
    return this.worker;
  }
}
