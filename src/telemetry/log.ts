/**
 * The service's log. Every line is redacted just before it is written, wherever a secret stands in it: a token in an
 * error's message, a password in an address, a key in quotes.
 */
import { pino, type DestinationStream, type Logger } from 'pino';
import { currentSpan } from './active-span.js';

/** The configuration's `logs`. */
export interface LogsConfig {
  readonly format: 'auto' | 'json' | 'text';
  readonly level?: 'debug' | 'info' | 'warn' | 'error' | undefined;
}

/** Writes a line for the operator; `fields` say the same for machines. */
export type Log = (line: string, fields?: Readonly<Record<string, string | number>>) => void;

export interface ServiceLog {
  readonly log: Log;
  /** The logger of requests and bugs. */
  readonly logger: Logger;
}

const REDACTION = '[redacted]';
/** Compact JWS and JWE, also truncated ones. */
const TOKEN_PATTERN = /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}/g;
const CREDENTIAL_PATTERN = /\b(Bearer|DPoP|Basic) +[A-Za-z0-9._~+/=-]+/gi;
/** Passwords in addresses: `postgres://remit:password@host`. The password may itself contain "@". */
const URL_PASSWORD_PATTERN = /(:\/\/[^/\s:@"]*):[^\s"]*@/g;
/** Secrets that follow their name: `password=…`, `"token":"…"`, `\"key\": \"…\"`. */
const NAMED_SECRET_PATTERN =
  /((?:password|passwd|secret|token|api_?key|authorization|cookie|dpop)[\\"']*\s*[:=]\s*[\\"']*)(?!\[redacted\]|[\d[{]|true|false|null)[^\s"'\\,;}&]+/gi;

/**
 * Replaces secrets by `[redacted]`.
 * @param secrets texts known to be secret, whatever they look like
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  let redacted = text;
  for (const secret of secrets) redacted = redacted.replaceAll(secret, REDACTION);
  return redacted
    .replace(TOKEN_PATTERN, REDACTION)
    .replace(CREDENTIAL_PATTERN, `$1 ${REDACTION}`)
    .replace(URL_PASSWORD_PATTERN, `$1:${REDACTION}@`)
    .replace(NAMED_SECRET_PATTERN, `$1${REDACTION}`);
}

/**
 * Opens the log.
 * @param format `json`: one line of JSON an event; `text`: plain lines for a terminal
 * @param stream takes the lines, standard error for instance
 * @param secrets texts to redact
 */
export function openLog(
  { format, level }: { readonly format: 'json' | 'text'; readonly level: LogsConfig['level'] },
  stream: DestinationStream,
  secrets: readonly string[] = [],
): ServiceLog {
  const logger = pino(
    {
      // At a terminal, plain lines tell what goes well, so that only warnings of requests are shown.
      level: format === 'text' ? (level ?? 'warn') : (level ?? 'info'),
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, req: () => undefined, res: () => undefined },
      mixin: () => {
        const span = currentSpan();
        return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
      },
      hooks: { streamWrite: (line) => redact(line, secrets) },
    },
    stream,
  );
  const log: Log =
    format === 'text'
      ? (line) => {
          stream.write(`remit: ${redact(line, secrets)}\n`);
        }
      : (line, fields = {}) => {
          logger.warn(fields, line);
        };
  return { log, logger };
}

/** Serializes an error's name, message, code and stack only: other members may be anything, a request for instance. */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  return { type: name, message, ...(typeof code === 'string' ? { code } : {}), stack };
}
