/** `telemetry` and `logs` of the configuration: what operators see of a running service. */
import { z } from 'zod';
import type { TracesConfig } from '../telemetry/traces.js';

const traces = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/, abort: true }).refine((text) => {
    const { username, password, hash } = new URL(text);
    return username + password + hash === '';
  }, 'must have no password or fragment'),
  sample: z.number().min(0).max(1).default(0.01),
  follow_callers: z.boolean().default(false),
});

export const telemetry = z.strictObject({ traces: traces.optional() });

export const logs = z.strictObject({
  format: z.enum(['auto', 'json', 'text'], 'must be "auto", "json" or "text"').default('auto'),
  level: z.enum(['debug', 'info', 'warn', 'error'], 'must be "debug", "info", "warn" or "error"').optional(),
});

/** undefined: no request is traced. */
export function tracesOf({ traces: read }: z.infer<typeof telemetry>): TracesConfig | undefined {
  if (read === undefined) return undefined;
  const { endpoint, sample, follow_callers: followCallers } = read;
  return { endpoint, sample, followCallers };
}
