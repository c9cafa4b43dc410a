/** An embedded database of a test's own, whose files go with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgliteDatabase } from '../../../src/store/database/pglite.js';

export class ScratchDatabase extends PgliteDatabase {
  private readonly scratch: string;

  constructor() {
    const scratch = mkdtempSync(join(tmpdir(), 'remit-database-'));
    super(join(scratch, 'database'));
    this.scratch = scratch;
  }

  override async close(): Promise<void> {
    await super.close();
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
