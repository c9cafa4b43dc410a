/** The embedded database: PostgreSQL as WebAssembly (PGlite) in a thread of its own, under the data directory. */
import { Fault } from '../../model/faults.js';
import { createCallObserver, type EngineCallListener } from '../../telemetry/engine-calls.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { EngineWorker, WorkerError } from '../../runtime/worker-thread.js';
import { faultFromSqlState, outageCode, type Database, type DatabaseRow, type SqlStatement } from './port.js';

export class PgliteDatabase implements Database {
  /** The lock of the data directory keeps other processes out. */
  readonly exclusive = true;
  private readonly worker: EngineWorker;

  /**
   * @param directory of the database's files
   * @param assertAlone throws a Fault where another process may use the files by now
   */
  constructor(
    directory: string,
    watch?: EngineCallListener,
    private readonly assertAlone: () => void = () => undefined,
  ) {
    const faultOf = (error: unknown) => outageCode(toPgliteFault(error));
    this.worker = new EngineWorker(
      './pglite-worker.js',
      import.meta.url,
      { directory },
      createCallObserver({ engine: 'database', watch, faultOf }),
    );
  }

  async run(statements: readonly SqlStatement[]): Promise<readonly (readonly DatabaseRow[])[]> {
    try {
      this.assertAlone();
      const rows = await this.worker.call<readonly (readonly DatabaseRow[])[]>('run', statements);
      // Nothing is acknowledged that another process may have overwritten, or that was read from files of its making.
      this.assertAlone();
      return rows;
    } catch (error) {
      throw toPgliteFault(error);
    }
  }

  /** Has the loss of the engine reported: nothing can be stored or read after it. */
  watchLoss(report: (reason: string) => void): void {
    this.worker.watchLoss(report);
  }

  stats(): EngineStats {
    return this.worker.stats();
  }

  /** Closes the files in order, where no other process uses them: closing writes to them. */
  close(): Promise<void> {
    try {
      this.assertAlone();
    } catch {
      return this.kill();
    }
    return this.worker.close();
  }

  /** Ends the engine as a crash would. */
  kill(): Promise<void> {
    return this.worker.kill();
  }
}

function toPgliteFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return faultFromSqlState(error instanceof WorkerError ? error.code : undefined, String(error));
}
