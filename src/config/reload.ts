/** `reload` of the configuration: whether a running service loads changed schemas and policies. */
import { z } from 'zod';

export const reloadFormat = z.strictObject({
  policies: z.enum(['watch', 'signal', 'off'], 'must be "watch", "signal" or "off"').default('watch'),
  poll_ms: z.number().int().min(100).max(3_600_000).default(5000),
});

export interface ReloadConfig {
  /** `watch`: as the files change, and on SIGHUP. `signal`: on SIGHUP alone. `off`: at the next start. */
  readonly policies: 'watch' | 'signal' | 'off';
  /** The interval at which files are read without a notice of the system, in milliseconds. */
  readonly pollMs: number;
}

export function resolveReload({ policies, poll_ms: pollMs }: z.infer<typeof reloadFormat>): ReloadConfig {
  return { policies, pollMs };
}
