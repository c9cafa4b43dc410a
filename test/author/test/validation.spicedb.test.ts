/** The worlds of SpiceDB's own integration tests, as validation files: each is run, and each holds. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, describe, vi } from 'vitest';
import { runValidationFile } from '../../../src/author/test/validation.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { SOURCE } from '../../support/spicedb.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 300_000 });

const WORLDS = join(SOURCE, 'internal/services/integrationtesting/testconfigs');
const files = SOURCE !== '' && existsSync(WORLDS) ? readdirSync(WORLDS) : [];

describe.skipIf(SOURCE === '')('SpiceDB’s own worlds (only where REMIT_TEST_SPICEDB_SOURCE names its source)', () => {
  it('are there', () => {
    expect(files.length).toBeGreaterThan(50);
  });

  it.each(files)('%s', async (file) => {
    const none = GraphSchema.parse('definition user {}', 'none.zed');
    const { results } = await runValidationFile(join(WORLDS, file), none, () => true);
    expect(results.length).toBeGreaterThan(0);
    expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
  });
});
