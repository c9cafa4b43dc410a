/** `reload` of the configuration: when changed schemas and policies are taken, and what they must pass. */
import { z } from 'zod';

export const reloadFormat = z.strictObject({
  policies: z.enum(['watch', 'signal', 'off'], 'must be "watch", "signal" or "off"').default('watch'),
  tests: z.enum(['required', 'skipped'], 'must be "required" or "skipped"').default('required'),
  poll_ms: z.number().int().min(100).max(3_600_000).default(5000),
});

export type TestDemand = 'required' | 'skipped';

export interface ReloadConfig {
  /** `watch`: as the files change, and on SIGHUP. `signal`: on SIGHUP alone. `off`: at the next start. */
  readonly policies: 'watch' | 'signal' | 'off';
  /** Whether policies are taken, at a start too, only where the tests beside them pass. */
  readonly tests: TestDemand;
  /** The interval at which files are read without a notice of the system, in milliseconds. */
  readonly pollMs: number;
}

export function resolveReload({ policies, tests, poll_ms: pollMs }: z.infer<typeof reloadFormat>): ReloadConfig {
  return { policies, tests, pollMs };
}
