/** SpiceDB's word on why it doesn't answer, in whatever shape a client brings it, and what that is to Remit. */
import { BadRequest, ConfigError, Fault, type FaultCode } from '../model/faults.js';
import type { CheckAnswer } from '../model/checks.js';

/** A CheckAnswer before it has its revision. */
export type AnswerWithoutRevision = CheckAnswer extends infer A
  ? A extends unknown
    ? Omit<A, 'revision'>
    : never
  : never;

export const OUTAGE_ANSWER: AnswerWithoutRevision & CheckAnswer = {
  result: 'unknown',
  fault: 'relationships_unavailable',
};

/** By gRPC's numbers. */
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

export function readGrpcStatus(error: unknown): GrpcStatus {
  const { code, details, message } = error as { code?: unknown; details?: unknown; message?: unknown };
  const text = typeof details === 'string' ? details : typeof message === 'string' ? message : String(error);
  // A unary call of the embedded SpiceDB says `code = AlreadyExists desc = …`; its streams, and gRPC's own errors
  // that have come out of a thread, `9 FAILED_PRECONDITION: …`.
  const match = /code = (\w+) desc = ([\s\S]*)$/.exec(text) ?? /^\d+ ([A-Z_]+): ([\s\S]*)$/.exec(text);
  const simplifyCode = (name: string): string => name.replaceAll('_', '').toLowerCase();
  const matchedCode =
    match === null ? undefined : GRPC_CODES.find((c) => simplifyCode(c) === simplifyCode(match[1] ?? ''));
  if (matchedCode !== undefined) return { code: matchedCode, text: match?.[2] ?? '' };
  return { code: (typeof code === 'number' ? GRPC_CODES[code] : undefined) ?? 'UNKNOWN', text };
}

/** SpiceDB's own word decides between what will never be answered and what can't be answered now. */
export function toFailureAnswer(error: unknown): AnswerWithoutRevision {
  const { text } = readGrpcStatus(error);
  return isInvalidRequest(error) || /maximum depth|recursion/.test(text)
    ? { result: 'unanswerable', message: text }
    : { result: 'unknown', fault: toFaultCode(error) };
}

/** The request is at fault, and not the engine. */
export function isInvalidRequest(error: unknown): boolean {
  return ['INVALID_ARGUMENT', 'FAILED_PRECONDITION'].includes(readGrpcStatus(error).code);
}

/** The request is too much at once, and its halves may not be. */
export function isTooLarge(error: unknown): boolean {
  const { code, text } = readGrpcStatus(error);
  return code === 'RESOURCE_EXHAUSTED' && /larger than max/.test(text);
}

/** SpiceDB was at it for as long as it was given. */
export function isTimeout(error: unknown): boolean {
  return !(error instanceof Fault) && readGrpcStatus(error).code === 'DEADLINE_EXCEEDED';
}

/** SpiceDB may be away: it has said nothing, or nothing on what it was asked. */
export function isOutage(error: unknown): boolean {
  if (error instanceof Fault) return false;
  return ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'CANCELLED'].includes(readGrpcStatus(error).code);
}

/** Why SpiceDB could not answer; undefined where the request is at fault. */
export function toOutageCode(error: unknown): FaultCode | undefined {
  const isRefusal = isInvalidRequest(error) || readGrpcStatus(error).code === 'ALREADY_EXISTS';
  return isRefusal || error instanceof BadRequest ? undefined : toFaultCode(error);
}

function toFaultCode(error: unknown): FaultCode {
  if (error instanceof Fault) return error.code;
  const { code } = readGrpcStatus(error);
  if (code === 'DEADLINE_EXCEEDED') return 'deadline_exceeded';
  return code === 'RESOURCE_EXHAUSTED' ? 'overloaded' : 'relationships_unavailable';
}

/** SpiceDB's refusal of a request as an error for whoever made it; everything else is an outage. */
export function toGraphError(error: unknown, place = ''): Error {
  if (error instanceof Fault || error instanceof BadRequest) return error;
  const { code, text } = readGrpcStatus(error);
  const detail = text.slice(0, 500);
  if (code === 'ALREADY_EXISTS') return new BadRequest(detail, place, 409, 'already_exists');
  if (isInvalidRequest(error)) return new BadRequest(detail, place);
  return new Fault(toFaultCode(error), `${code}: ${detail}`, { cause: error });
}

/** SpiceDB's word on a schema that it doesn't take, at its place in the file. */
export function toSchemaError(error: unknown, file: string): Error {
  const { code, text } = readGrpcStatus(error);
  const [, line, column, reason] = /line (\d+), column (\d+): ([\s\S]*)$/.exec(text) ?? [];
  if (reason !== undefined) return new ConfigError(reason, `${file}:${line ?? ''}:${column ?? ''}`);
  return isInvalidRequest(error)
    ? new ConfigError(text, file)
    : new Fault('relationships_unavailable', `${code}: ${text}`);
}
