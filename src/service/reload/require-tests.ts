/** Holds the policies of a start to the tests beside them, in a thread that ends with it. `remit serve` calls it. */
import { testFilesBeside } from '../../author/test/test-files.js';
import type { Config } from '../../config/config.js';
import { ConfigError, Fault } from '../../model/faults.js';
import { PolicyReader } from './reader.js';

/**
 * @returns the version of the policies whose tests pass; undefined where there are no tests, or none are required
 * @throws ConfigError naming the first test that fails
 */
export async function requirePassingTests({
  sources,
  world,
  reload,
  approvals: approverRules,
}: Config): Promise<string | undefined> {
  if (reload.tests === 'skipped' || testFilesBeside(sources).suites.length === 0) return undefined;
  const reader = new PolicyReader({ sources, world, approverRules }, reload.pollMs, reload.tests);
  try {
    const { content, version } = await reader.now().catch((error: unknown) => {
      throw new Fault('relationships_unavailable', `The tests of the policies could not be run: ${String(error)}`);
    });
    if ('refused' in content) throw new ConfigError(`the policies are not taken: ${content.refused}`);
    return version;
  } finally {
    await reader.close();
  }
}
