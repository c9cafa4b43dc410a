/**
 * The parts of a filter that is asked for as a stream: each has at most as many records as a list, is decided at one revision
 * with the token asked again, and is on record before its answer is told. Where parts begin depends on the lines alone, so a
 * stream that is repeated with its key has the same ones.
 */
import type { FastifyRequest } from 'fastify';
import { formatItemId } from '../decide/decision-id.js';
import { filterRecords, MAX_REFUSED_TYPES, type FilterableRecord, type FilteredList } from '../lists/filter.js';
import type { ListRefusal } from '../lists/refusal.js';
import { BadRequest } from '../model/faults.js';
import { MAX_JSON_DEPTH, parseStrictJson, StrictJsonError } from '../runtime/strict-json.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { Service } from '../service/service.js';
import { MAX_ITEMS } from './authzen-formats.js';
import type { DecisionTurn } from './edge/decision-turns.js';
import { BODY_LIMITS } from './edge/json-body.js';
import type { LineSource, TextLine } from './edge/line-source.js';
import { requireCaller } from './edge/request-party.js';
import type { StreamPace } from './edge/stream-pace.js';
import { buildFilterTemplate, readFilterableRecord, summarizeFilter, type FilterQuestion } from './filter-records.js';
import { describeRefusal } from './list-refusal.js';
import { createBatchContext } from './request-context.js';

/** The longest line: longer ones hold more than a record may, however its characters are written. */
const MAX_LINE_BYTES = 256 * 1024;
/**
 * The longest part. Room is set aside for a whole one, so that streams never wait for each other with a part of it; a list as
 * long as the longest would leave room for few streams.
 */
const MAX_PART_BYTES = 1024 * 1024;
/** The ids of parts have room for so many numbers. */
const MAX_PARTS = 4096;

/** The question is refused in the middle of a stream that was answered until then. */
export class QuestionRefused extends Error {
  override readonly name = 'QuestionRefused';

  constructor(readonly refusal: ListRefusal) {
    super('The question is refused from here on.');
  }
}

export interface AnsweredPart {
  /** Lines, each with its end. */
  readonly text: string;
  readonly isLast: boolean;
}

export interface FilterStreamRequest {
  readonly request: FastifyRequest;
  readonly question: FilterQuestion;
  /** The id of the whole. */
  readonly id: string;
  /** The request's `Idempotency-Key`; undefined where it has none. */
  readonly key: string | undefined;
  readonly lines: LineSource;
  readonly pace: StreamPace;
  /** Ends the reading. */
  readonly signal: AbortSignal;
}

export class FilterParts {
  private count = 0;
  private readonly totals = { returned: 0, removed: 0, invalid: 0 };
  private readonly types = new Set<string>();
  /** Whether the question was not refused as a whole for some records. */
  private isAccepted = false;
  /** It holds for all records so far. */
  private refusal: ListRefusal | undefined;

  constructor(
    private readonly service: Service,
    private readonly stream: FilterStreamRequest,
  ) {}

  /**
   * Reads the next part and answers it; the last one ends the stream's answer.
   * @throws BadRequest, Fault, RateLimitExceeded; QuestionRefused; the reason of the signal
   */
  async next(): Promise<AnsweredPart> {
    const { stated, isLast } = await this.readLines();
    const isFirst = this.count === 0;
    if (stated.length === 0 && !isFirst) return { text: this.describeEnd(), isLast: true };
    if (this.count >= MAX_PARTS)
      throw new BadRequest(`must have at most ${MAX_PARTS} parts of ${MAX_ITEMS} lines`, '', 413, 'stream_too_long');
    const text = await this.stream.pace.work(stated.length, isFirst, (turn) => this.decide(stated, turn));
    this.count += 1;
    const isRefused = this.refusal?.isOfAllTypes === true;
    // A question that is refused is answered so, and with nothing else.
    const answer = isRefused ? this.describeEnd() : isLast ? text + this.describeEnd() : text;
    return { text: answer, isLast: isLast || isRefused };
  }

  private async readLines(): Promise<{ readonly stated: readonly TextLine[]; readonly isLast: boolean }> {
    const { lines, pace, signal } = this.stream;
    const stated: TextLine[] = [];
    let bytes = 0;
    pace.leaveRoom();
    while (stated.length < MAX_ITEMS && bytes <= MAX_PART_BYTES - MAX_LINE_BYTES) {
      signal.throwIfAborted();
      const line = await lines.next({ maxBytes: MAX_LINE_BYTES, signal, pace: pace.takeRate });
      if (line === undefined) return { stated, isLast: true };
      stated.push(line);
      pace.countQuestion();
      bytes += line.bytes?.length ?? 0;
      await pace.takeRoom(bytes, MAX_PART_BYTES);
    }
    return { stated, isLast: false };
  }

  /** @returns the lines of the answer */
  private async decide(stated: readonly TextLine[], turn: DecisionTurn): Promise<string> {
    const { request, question, id, key } = this.stream;
    const answers = new Map<number, object>();
    const records: FilterableRecord[] = [];
    for (const line of stated) {
      await yieldToEventLoop();
      const read = this.readRecord(line);
      if ('reason' in read) answers.set(line.number, { invalid: read });
      else records.push(read);
    }
    const requestContext = { ...createBatchContext(request, this.service), account: turn.account };
    const list = await this.service.activePolicies.withSnapshot((deps) =>
      filterRecords(
        {
          template: buildFilterTemplate(question, requestContext),
          records,
          key,
          secret: this.service.secret,
          summary: summarizeFilter(question, records, stated.length),
          part: { id: formatItemId(id, this.count), earlierTypes: [...this.types] },
        },
        deps,
      ),
    );
    for (const { type } of records) if (this.types.size < MAX_REFUSED_TYPES) this.types.add(type);
    this.judgeRefusal(list.refusal, records.length);
    for (const { index, ...record } of list.records) answers.set(index, { record });
    for (const { index, error } of list.invalid) answers.set(index, { invalid: describeInvalid(index, error) });
    return this.writeAnswers(stated, answers, list);
  }

  /** Counts the answers of a part, and writes them in the order of their lines. */
  private writeAnswers(
    stated: readonly TextLine[],
    answers: ReadonlyMap<number, object>,
    { records, removed }: Pick<FilteredList, 'records' | 'removed'>,
  ): string {
    this.totals.returned += records.length;
    this.totals.invalid += answers.size - records.length;
    for (const count of removed.values()) this.totals.removed += count;
    return stated
      .flatMap(({ number }) => answers.get(number) ?? [])
      .map((answer) => `${JSON.stringify(answer)}\n`)
      .join('');
  }

  /**
   * Tells a question that is refused from one that is refused no longer, or from now on. For other types of records it may
   * not be refused, so those are waited for.
   * @throws QuestionRefused
   */
  private judgeRefusal(refusal: ListRefusal | undefined, count: number): void {
    if (refusal !== undefined) {
      if (this.isAccepted) throw new QuestionRefused(refusal);
      this.refusal = refusal;
    } else if (count > 0) {
      this.isAccepted = true;
      this.refusal = undefined;
    }
  }

  private describeEnd(): string {
    const { request, id } = this.stream;
    const { delegateUrl } = this.service.config.delegations;
    const end =
      this.refusal !== undefined
        ? { returned: 0, ...describeRefusal(this.refusal, requireCaller(request), delegateUrl) }
        : { id, ...this.totals };
    return `${JSON.stringify({ end })}\n`;
  }

  private readRecord({ number, bytes }: TextLine): FilterableRecord | InvalidLine {
    try {
      if (bytes === undefined)
        throw new BadRequest(`must be at most ${MAX_LINE_BYTES / 1024} KiB long`, '', 400, 'line_too_long');
      return readFilterableRecord(this.parse(bytes), number);
    } catch (error) {
      if (error instanceof BadRequest) return describeInvalid(number, error);
      if (!(error instanceof StrictJsonError)) throw error;
      return describeInvalid(number, new BadRequest(error.message, error.path, 400, 'malformed_json'));
    }
  }

  private parse(bytes: Buffer): unknown {
    const { pace } = this.stream;
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new StrictJsonError('is not well-formed UTF-8', '');
    }
    return parseStrictJson(text, MAX_JSON_DEPTH, {
      ...BODY_LIMITS,
      onMeasured: (extent) => {
        pace.countParsed(extent);
      },
      onReadAgain: (length) => {
        pace.countReadAgain(length);
      },
    });
  }
}

/** A line that can't be asked about, and why. */
interface InvalidLine {
  readonly line: number;
  readonly code: string;
  readonly reason: string;
  readonly at?: string;
}

/** @param error about a record, which may be named as the question's resource */
function describeInvalid(line: number, { code, message, at }: BadRequest): InvalidLine {
  const place = at.replace(/^resource\.?/, '');
  return { line, code, reason: message, ...(place === '' ? {} : { at: place }) };
}
