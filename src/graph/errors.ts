/** SpiceDB's word on why it doesn't answer, in whatever shape a client brings it, and what that is to Remit. */
import { BadRequest, ConfigError, Fault, type FaultCode } from '../model/faults.js';
import type { CheckAnswer } from '../model/checks.js';

/** A CheckAnswer before it has its revision. */
export type Unrevised = CheckAnswer extends infer A ? (A extends unknown ? Omit<A, 'revision'> : never) : never;

export const OUTAGE: Unrevised & CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

/** By gRPC's numbers. */
const CODES = [
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
type Code = (typeof CODES)[number];

interface Refusal {
  readonly code: Code;
  readonly text: string;
}

export function refusalOf(error: unknown): Refusal {
  const { code, details, message } = error as { code?: unknown; details?: unknown; message?: unknown };
  const text = typeof details === 'string' ? details : typeof message === 'string' ? message : String(error);
  // A unary call of the embedded SpiceDB says `code = AlreadyExists desc = …`; its streams, and gRPC's own errors
  // that have come out of a thread, `9 FAILED_PRECONDITION: …`.
  const said = /code = (\w+) desc = ([\s\S]*)$/.exec(text) ?? /^\d+ ([A-Z_]+): ([\s\S]*)$/.exec(text);
  const plain = (name: string): string => name.replaceAll('_', '').toLowerCase();
  const known = said === null ? undefined : CODES.find((c) => plain(c) === plain(said[1] ?? ''));
  if (known !== undefined) return { code: known, text: said?.[2] ?? '' };
  return { code: (typeof code === 'number' ? CODES[code] : undefined) ?? 'UNKNOWN', text };
}

/** SpiceDB's own word decides between what will never be answered and what can't be answered now. */
export function failure(error: unknown): Unrevised {
  const { text } = refusalOf(error);
  return isRefused(error) || /maximum depth|recursion/.test(text)
    ? { result: 'unanswerable', message: text }
    : { result: 'unknown', fault: faultCodeOf(error) };
}

/** The request is at fault, and not the engine. */
export function isRefused(error: unknown): boolean {
  return ['INVALID_ARGUMENT', 'FAILED_PRECONDITION'].includes(refusalOf(error).code);
}

/** The request is too much at once, and its halves may not be. */
export function isTooLarge(error: unknown): boolean {
  const { code, text } = refusalOf(error);
  return code === 'RESOURCE_EXHAUSTED' && /larger than max/.test(text);
}

/** SpiceDB was at it for as long as it was given. */
export function isTimeout(error: unknown): boolean {
  return !(error instanceof Fault) && refusalOf(error).code === 'DEADLINE_EXCEEDED';
}

/** SpiceDB may be away: it has said nothing, or nothing on what it was asked. */
export function isOutage(error: unknown): boolean {
  if (error instanceof Fault) return false;
  return ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'CANCELLED'].includes(refusalOf(error).code);
}

/** Why SpiceDB could not answer; undefined where the request is at fault. */
export function outage(error: unknown): FaultCode | undefined {
  const said = isRefused(error) || refusalOf(error).code === 'ALREADY_EXISTS';
  return said || error instanceof BadRequest ? undefined : faultCodeOf(error);
}

function faultCodeOf(error: unknown): FaultCode {
  if (error instanceof Fault) return error.code;
  const { code } = refusalOf(error);
  if (code === 'DEADLINE_EXCEEDED') return 'deadline_exceeded';
  return code === 'RESOURCE_EXHAUSTED' ? 'overloaded' : 'relationships_unavailable';
}

/** SpiceDB's refusal of a request as an error for whoever made it; everything else is an outage. */
export function refused(error: unknown, at = ''): Error {
  if (error instanceof Fault || error instanceof BadRequest) return error;
  const { code, text } = refusalOf(error);
  const said = text.slice(0, 500);
  if (code === 'ALREADY_EXISTS') return new BadRequest(said, at, 409, 'already_exists');
  if (isRefused(error)) return new BadRequest(said, at);
  return new Fault(faultCodeOf(error), `${code}: ${said}`, { cause: error });
}

/** SpiceDB's word on a schema that it doesn't take, at its place in the file. */
export function schemaProblem(error: unknown, file: string): Error {
  const { code, text } = refusalOf(error);
  const [, line, column, why] = /line (\d+), column (\d+): ([\s\S]*)$/.exec(text) ?? [];
  if (why !== undefined) return new ConfigError(why, `${file}:${line ?? ''}:${column ?? ''}`);
  return isRefused(error) ? new ConfigError(text, file) : new Fault('relationships_unavailable', `${code}: ${text}`);
}
