/** Reads SpiceDB's errors, in whatever shape a client throws them, and turns them into Remit's answers and faults. */
import { BadRequest, ConfigError, type ConfigPlace, Fault, type FaultCode } from '../model/faults.js';
import { locationAt, type SourceFile } from '../diagnostics/source.js';
import type { CheckAnswer } from '../model/checks.js';
import { locateRefusal } from './schema/locate-refusal.js';

/** A CheckAnswer before its revision is known. */
export type AnswerWithoutRevision = CheckAnswer extends infer A
  ? A extends unknown
    ? Omit<A, 'revision'>
    : never
  : never;

export const EXPIRED_REVISION_ANSWER: AnswerWithoutRevision & CheckAnswer = {
  result: 'unknown',
  fault: 'revision_expired',
};

export const OUTAGE_ANSWER: AnswerWithoutRevision & CheckAnswer = {
  result: 'unknown',
  fault: 'relationships_unavailable',
};

/** The names of gRPC's status codes, by their numbers. */
const GRPC_CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
type GrpcCode = (typeof GRPC_CODES)[number];

interface GrpcStatus {
  readonly code: GrpcCode;
  readonly text: string;
}

/** @param error anything that a client throws; `UNKNOWN` where it is no gRPC error */
export function readGrpcStatus(error: unknown): GrpcStatus {
  const { code, details, message } = error as { code?: unknown; details?: unknown; message?: unknown };
  const text = typeof details === 'string' ? details : typeof message === 'string' ? message : String(error);
  // A unary call of the embedded SpiceDB says `code = AlreadyExists desc = …`; its streams, and gRPC's own errors that
  // come from a worker thread, say `9 FAILED_PRECONDITION: …`.
  const match = /code = (\w+) desc = ([\s\S]*)$/.exec(text) ?? /^\d+ ([A-Z_]+): ([\s\S]*)$/.exec(text);
  const simplifyCode = (name: string): string => name.replaceAll('_', '').toLowerCase();
  const matchedCode =
    match === null ? undefined : GRPC_CODES.find((c) => simplifyCode(c) === simplifyCode(match[1] ?? ''));
  if (matchedCode !== undefined) return { code: matchedCode, text: match?.[2] ?? '' };
  return { code: (typeof code === 'number' ? GRPC_CODES[code] : undefined) ?? 'UNKNOWN', text };
}

/** The answer to a check that failed: by SpiceDB's status it will never be answered, or can't be answered now. */
export function toFailureAnswer(error: unknown): AnswerWithoutRevision {
  const { text } = readGrpcStatus(error);
  return isInvalidRequest(error) || /maximum depth|recursion/.test(text)
    ? { result: 'unanswerable', message: text }
    : { result: 'unknown', fault: toFaultCode(error) };
}

/** Whether the request is at fault, and not the engine. */
export function isInvalidRequest(error: unknown): boolean {
  return ['INVALID_ARGUMENT', 'FAILED_PRECONDITION'].includes(readGrpcStatus(error).code);
}

/** Whether the request is too large for one message; its halves may not be. */
export function isTooLarge(error: unknown): boolean {
  const { code, text } = readGrpcStatus(error);
  return code === 'RESOURCE_EXHAUSTED' && /larger than max/.test(text);
}

/** Whether a bulk may have failed for one of its items alone: the engine has answered, and had time. */
export function mayBeOneItem(error: unknown): boolean {
  if (error instanceof Fault) return false;
  const { code } = readGrpcStatus(error);
  return !['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED', 'RESOURCE_EXHAUSTED', 'UNAUTHENTICATED'].includes(code);
}

/** Whether the revision is one that SpiceDB has already given up. */
export function isExpiredRevision(error: unknown): boolean {
  const { code, text } = readGrpcStatus(error);
  return code === 'OUT_OF_RANGE' && /expired|stale/i.test(text);
}

/** Whether SpiceDB used up the time that it was given. */
export function isTimeout(error: unknown): boolean {
  return !(error instanceof Fault) && readGrpcStatus(error).code === 'DEADLINE_EXCEEDED';
}

/** Whether SpiceDB may be down: it has not answered, or not what it was asked. */
export function isOutage(error: unknown): boolean {
  if (error instanceof Fault) return false;
  return ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'CANCELLED'].includes(readGrpcStatus(error).code);
}

/** Whether the datastore aborted the transaction, so that nothing was written: others wrote beside it. */
export function isAborted(error: unknown): boolean {
  if (error instanceof Fault) return false;
  const { code, text } = readGrpcStatus(error);
  // A datastore in maintenance aborts, too, and would again.
  return code === 'ABORTED' && !/read-only/.test(text);
}

/** Whether the request never left: SpiceDB is away, or is taken to be. */
export function isUnsent(error: unknown): boolean {
  if (error instanceof Fault) return error.code === 'relationships_unavailable';
  const { code, text } = readGrpcStatus(error);
  return code === 'UNAVAILABLE' && /No connection established/.test(text);
}

/** The fault of a call that failed; undefined where the request is at fault. */
export function toOutageCode(error: unknown): FaultCode | undefined {
  const isRefusal = isInvalidRequest(error) || readGrpcStatus(error).code === 'ALREADY_EXISTS';
  return isRefusal || error instanceof BadRequest ? undefined : toFaultCode(error);
}

function toFaultCode(error: unknown): FaultCode {
  if (error instanceof Fault) return error.code;
  const { code } = readGrpcStatus(error);
  if (code === 'DEADLINE_EXCEEDED') return 'deadline_exceeded';
  if (isExpiredRevision(error)) return 'revision_expired';
  return code === 'RESOURCE_EXHAUSTED' || isAborted(error) ? 'overloaded' : 'relationships_unavailable';
}

/**
 * A BadRequest where SpiceDB refuses the request, otherwise a Fault.
 * @param place the member of the request that a refusal is about
 */
export function toGraphError(error: unknown, place = ''): Error {
  if (error instanceof Fault || error instanceof BadRequest) return error;
  const { code, text } = readGrpcStatus(error);
  const detail = text.slice(0, 500);
  if (code === 'ALREADY_EXISTS') return new BadRequest(detail, place, 409, 'already_exists');
  if (isInvalidRequest(error)) return new BadRequest(detail, place);
  return new Fault(toFaultCode(error), `${code}: ${detail}`, { cause: error });
}

/**
 * Does for a write what {@link toGraphError} does: the fault tells a write that wasn't made from one that may have
 * been.
 */
export function toWriteError(error: unknown, place: string): Error {
  const graphError = toGraphError(error, place);
  // SpiceDB says so where it is read-only, as it does of what it aborted.
  const isKnown = !isOutage(error) || isUnsent(error) || /read-only/.test(readGrpcStatus(error).text);
  return graphError instanceof Fault && !isKnown
    ? new Fault('write_unconfirmed', graphError.detail, { cause: error })
    : graphError;
}

/**
 * A ConfigError where SpiceDB refuses the schema, at its place in the file; otherwise a Fault.
 * @param formatPlace finds the place of a line and column of the text
 */
export function toSchemaError(
  error: unknown,
  schema: SourceFile,
  formatPlace = (line: number, column: number): string | ConfigPlace => ({ file: schema.name, line, column }),
): Error {
  const { code, text } = readGrpcStatus(error);
  const parseError = /line (\d+), column (\d+): ([\s\S]*)$/.exec(text);
  if (parseError !== null) {
    const [, line, column, reason = ''] = parseError;
    // CEL says the place within a caveat's expression more exactly, and draws it below.
    const [, caveat = '', celLine, celColumn, celReason] =
      /^(invalid expression for caveat `[^`]+`): ERROR: [^:\n]*:(\d+):(\d+): ([^\n]*)/.exec(reason) ?? [];
    return celReason === undefined
      ? new ConfigError(reason, formatPlace(Number(line), Number(column)))
      : new ConfigError(`${caveat}: ${celReason}`, formatPlace(Number(celLine), Number(celColumn)));
  }
  const offset = locateRefusal(text, schema.text);
  if (offset !== undefined) {
    const { line, column } = locationAt(schema, offset);
    return new ConfigError(text, formatPlace(line, column));
  }
  return isInvalidRequest(error)
    ? new ConfigError(text, schema.name)
    : new Fault('relationships_unavailable', `${code}: ${text}`);
}
