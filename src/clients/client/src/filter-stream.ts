/**
 * Remit's filter as a stream: records go in one by one, those that may be seen come out, masked, while the rest is still sent.
 * It has been whole only where its reader came to the end without an error: an answer that breaks off throws.
 */
import type { Call } from './caller.js';
import { RemitError, RemitUnavailable } from './errors.js';
import { requireNotRefused } from './evaluation.js';
import {
  buildFilterQuestion,
  carryOutRecord,
  type FilteredRecord,
  type FilterQuestion,
  type InvalidRecord,
} from './filter.js';
import { readJsonLines } from './line-reader.js';
import type { ObligationTable } from './obligations.js';
import { isRepeatableQuestion, proveQuestion } from './question-proof.js';
import type { Entity, WireQuestion } from './question.js';
import { SentLines } from './sent-lines.js';
import { isRecord } from './strict-json.js';

export interface FilterStreamRequest<R extends Entity = Entity> extends FilterQuestion {
  /** They are taken as they are needed. */
  readonly records: AsyncIterable<R> | Iterable<R>;
}
export interface FilterStreamOptions {
  /** Gives the stream up. */
  readonly signal?: AbortSignal;
  /** Milliseconds in which a record must be sent, or something must come; 15,000 by default. What the reader takes isn't counted. */
  readonly idleMs?: number;
  /** Makes the same stream a retry, which uses nothing of a limit twice. */
  readonly idempotencyKey?: string;
  /** Obligations that the caller carries out itself, beside those of the client's table. */
  readonly obligations?: readonly string[];
  /** Told of each record that can't be asked about: it is left out. */
  readonly onInvalid?: (record: InvalidRecord) => void;
  /** Told at the end of a stream that was whole. */
  readonly onEnd?: (end: FilterEnd) => void;
}
/** The end of a stream that was whole. */
export interface FilterEnd {
  readonly id: string | undefined;
  readonly returned: number;
  /** The number of those left out, by the service or for an obligation that was not carried out. */
  readonly removed: number;
  readonly invalid: number;
}

const LINES_TYPE = 'application/x-ndjson';

/** @throws RemitUnavailable, RemitSetupError; RemitDenied where the whole question is refused; what the records' source throws */
export async function* streamFilter(
  call: Call,
  request: FilterStreamRequest,
  table: ObligationTable,
  options: FilterStreamOptions,
): AsyncGenerator<FilteredRecord, FilterEnd, undefined> {
  const { deadline, endpoints } = call;
  // A stream has one proof, for all attempts.
  const question = await deadline.race(proveQuestion(buildFilterQuestion(request, table)));
  const ending = new AbortController();
  // Stands for the question of the whole.
  const asked: WireQuestion = { ...question, resource: question.subject };
  const sent = new SentLines(question, request.records, deadline, () => {
    ending.abort();
  });
  const { idempotencyKey: key } = options;
  try {
    const opened = await call.open({
      method: 'POST',
      url: endpoints.findOwn('/v1/filter'),
      open: () => sent.open(),
      isReplayable: () => sent.isReplayable,
      // Each record that comes back may be a use of a limit, so what may have arrived isn't sent again without a key.
      isRepeatable: key !== undefined && isRepeatableQuestion(question),
      type: LINES_TYPE,
      signal: AbortSignal.any([ending.signal, deadline.signal]),
      ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
    });
    sent.settle();
    const counts = { returned: 0, withheld: 0, invalid: 0 };
    for await (const line of readJsonLines(opened, deadline)) {
      if (!isRecord(line)) throw new RemitUnavailable('answer');
      if ('record' in line) {
        const record = readAnsweredRecord(line['record'], sent);
        counts.returned += 1;
        const permitted = await deadline.race(carryOutRecord(record, question, table));
        if (permitted === undefined) counts.withheld += 1;
        else yield* handOver(permitted, sent, call);
      } else if ('invalid' in line) {
        counts.invalid += 1;
        const invalid = readInvalidLine(line['invalid'], sent);
        options.onInvalid?.(invalid);
      } else {
        requireNoFailure(line, asked);
        const end = readEnd(line['end'], counts, sent, asked);
        options.onEnd?.(end);
        return end;
      }
    }
    throw new RemitUnavailable('incomplete');
  } catch (error) {
    throw explainFailure(error, sent, call);
  } finally {
    ending.abort();
    sent.stop();
  }
}

/** The reader's own time isn't the service's. */
function* handOver(
  record: FilteredRecord,
  sent: SentLines,
  { deadline }: Call,
): Generator<FilteredRecord, void, undefined> {
  deadline.hold();
  sent.pause();
  yield record;
  sent.resume();
  deadline.release();
}

function explainFailure(error: unknown, { failure }: SentLines, { deadline }: Call): unknown {
  if (failure !== undefined) return failure.error;
  if (error instanceof RemitError) return error;
  if (deadline.signal.aborted) return deadline.toError();
  // Others are those of the hooks that the caller gave. A beginning has come, or `open` would have told.
  return error instanceof TypeError || (error instanceof Error && error.name === 'AbortError')
    ? new RemitUnavailable('incomplete')
    : error;
}

/** @throws RemitUnavailable where it isn't one of those that were sent, in their order: another would be another question's */
function readAnsweredRecord(record: unknown, sent: SentLines): Readonly<Record<string, unknown>> {
  if (!isRecord(record) || !sent.match(record['type'], record['id'])) throw new RemitUnavailable('answer');
  return record;
}

/** @throws RemitUnavailable where it names no line that was sent after those that were answered */
function readInvalidLine(invalid: unknown, sent: SentLines): InvalidRecord {
  if (!isRecord(invalid) || typeof invalid['line'] !== 'number') throw new RemitUnavailable('answer');
  const { line, code, reason, at } = invalid;
  // The question is line 1.
  const index = line - 2;
  if (!sent.passOver(index)) throw new RemitUnavailable('answer');
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return { index, code: text(code), message: text(reason), at: text(at) };
}

/** @throws RemitDenied where the question is refused from here on; RemitUnavailable where the stream has failed otherwise */
function requireNoFailure({ error, context, end }: Readonly<Record<string, unknown>>, question: WireQuestion): void {
  if (error === undefined && end !== undefined) return;
  if (isRecord(error) && error['code'] === 'question_refused') requireNotRefused(context, question);
  throw new RemitUnavailable(error === undefined ? 'answer' : 'incomplete');
}

/** @throws RemitDenied where the whole question is refused; RemitUnavailable where it is not the end of what was sent and came */
function readEnd(
  end: unknown,
  counts: { readonly returned: number; readonly withheld: number; readonly invalid: number },
  sent: SentLines,
  question: WireQuestion,
): FilterEnd {
  if (!isRecord(end)) throw new RemitUnavailable('answer');
  const { id, returned, removed, invalid, context } = end;
  requireNotRefused(context, question);
  const isWhole =
    sent.isWhole &&
    returned === counts.returned &&
    invalid === counts.invalid &&
    typeof removed === 'number' &&
    returned + removed + invalid === sent.count;
  if (!isWhole) throw new RemitUnavailable('incomplete');
  const { withheld } = counts;
  return {
    id: typeof id === 'string' ? id : undefined,
    returned: counts.returned - withheld,
    removed: removed + withheld,
    invalid: counts.invalid,
  };
}
