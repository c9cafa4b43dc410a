/**
 * The service's log. What is secret is taken out of every line at the very end, wherever in it it came: a token in an
 * error's message, a password in an address, a key that somebody quotes.
 */
import { pino, type DestinationStream, type Logger } from 'pino';
import { currentSpan } from './active-span.js';

/** `logs` of the configuration. */
export interface LogsConfig {
  readonly format: 'auto' | 'json' | 'text';
  readonly level?: 'debug' | 'info' | 'warn' | 'error' | undefined;
}

/** A line for the operator; `about` is the same for machines. */
export type Log = (line: string, fields?: Readonly<Record<string, string | number>>) => void;

export interface ServiceLog {
  readonly log: Log;
  /** Of requests and bugs. */
  readonly logger: Logger;
}

const REDACTION = '[redacted]';
/** Compact JWS and JWE, and what is left of one that was cut off. */
const TOKEN_PATTERN = /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}/g;
const CREDENTIAL_PATTERN = /\b(Bearer|DPoP|Basic) +[A-Za-z0-9._~+/=-]+/gi;
/** In an address: `postgres://remit:password@host`; the password may itself contain "@". */
const URL_PASSWORD_PATTERN = /(:\/\/[^/\s:@"]*):[^\s"]*@/g;
/** `password=…`, `"token":"…"`, `\"key\": \"…\"`: by the name of what follows. */
const NAMED_SECRET_PATTERN =
  /((?:password|passwd|secret|token|api_?key|authorization|cookie|dpop)[\\"']*\s*[:=]\s*[\\"']*)(?!\[redacted\]|[\d[{]|true|false|null)[^\s"'\\,;}&]+/gi;

/** @param secrets that are known as such, whatever they look like */
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
 * @param format `json`: a line of JSON an event; `text`: engines' comings and goings in words, for a person
 * @param stream takes the lines: standard error
 */
export function openLog(
  { format, level }: { readonly format: 'json' | 'text'; readonly level: LogsConfig['level'] },
  stream: DestinationStream,
  secrets: readonly string[] = [],
): ServiceLog {
  const logger = pino(
    {
      // At a terminal a person looks for trouble; what goes well is said in words.
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

/** Of an error what it is and where: its other members may be anything, the request included. */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  return { type: name, message, ...(typeof code === 'string' ? { code } : {}), stack };
}
