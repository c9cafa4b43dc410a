/** `telemetry` and `logs` of the configuration: tracing, and the format and level of the log. */
import { z } from 'zod';
import type { TracesConfig } from '../telemetry/request-tracer.js';

const tracesFormat = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/, abort: true }).refine((text) => {
    const { username, password, hash } = new URL(text);
    return username + password + hash === '';
  }, 'must have no password or fragment'),
  sample: z.number().min(0).max(1).default(0.01),
  follow_callers: z.boolean().default(false),
});

export const telemetryFormat = z.strictObject({ traces: tracesFormat.optional() });

export const logsFormat = z.strictObject({
  format: z.enum(['auto', 'json', 'text'], 'must be "auto", "json" or "text"').default('auto'),
  level: z.enum(['debug', 'info', 'warn', 'error'], 'must be "debug", "info", "warn" or "error"').optional(),
});

/** undefined: no request is traced. */
export function resolveTraces({ traces: settings }: z.infer<typeof telemetryFormat>): TracesConfig | undefined {
  if (settings === undefined) return undefined;
  const { endpoint, sample, follow_callers: followCallers } = settings;
  return { endpoint, sample, followCallers };
}
