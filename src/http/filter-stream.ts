/**
 * A filter as a stream: the question in the first line, a record in each of the others, and as many lines back. It is decided
 * in parts (`filter-stream-parts.ts`). The sender waits until a part is decided, and that until the reader has taken what was
 * answered before, so no more than two parts are ever held here.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newBatchId } from '../decide/decision-id.js';
import { BadRequest, Fault } from '../model/faults.js';
import { FairLimit } from '../runtime/fair-limit.js';
import type { Service } from '../service/service.js';
import { createProblem, reportFailure } from './edge/errors.js';
import { LINES_TYPE } from './edge/json-body.js';
import { LineAnswer } from './edge/line-answer.js';
import type { LineSource } from './edge/line-source.js';
import { nameDecision } from './edge/observability.js';
import { requireCaller } from './edge/request-party.js';
import { StreamPace } from './edge/stream-pace.js';
import type { FilterQuestion } from './filter-records.js';
import { FilterParts, QuestionRefused, type AnsweredPart } from './filter-stream-parts.js';
import { readIdempotencyKey } from './idempotency-key.js';
import { describeRefusal } from './list-refusal.js';

export class FilterStreams {
  private readonly places: FairLimit;
  private readonly stopping = new AbortController();

  constructor(private readonly service: Service) {
    this.places = new FairLimit(service.config.limits.streams);
  }

  /** Ends the streams, each once the part that is worked on is answered. */
  stop(): void {
    this.stopping.abort(new BadRequest('The service stops.', '', 503, 'stopping'));
  }

  /**
   * Answers a stream. Up to the first part it may be refused like any other request.
   * @throws BadRequest, Fault, RateLimitExceeded
   */
  async answer(
    request: FastifyRequest,
    reply: FastifyReply,
    question: FilterQuestion,
    lines: LineSource,
  ): Promise<FastifyReply> {
    const key = readIdempotencyKey(request)?.text;
    const { callerGroups: groups = [] } = request;
    const { streamIdleMs, streamMs } = this.service.config.limits;
    if (!this.places.tryTake(groups, 1)) throw new Fault('overloaded', 'streams');
    const ending = new AbortController();
    const timer = setTimeout(() => {
      ending.abort(new BadRequest(`The stream took longer than ${streamMs} ms.`, '', 408, 'stream_timeout'));
    }, streamMs).unref();
    reply.raw.once('close', () => {
      ending.abort(new ReaderGone());
    });
    if (reply.raw.destroyed) ending.abort(new ReaderGone());
    const release = (): void => {
      clearTimeout(timer);
      this.places.release(groups, 1);
    };
    const answer = new LineAnswer(streamIdleMs);
    const countUnsent = (): number => answer.readableLength + reply.raw.writableLength;
    const pace = new StreamPace(request, lines, ending.signal, streamIdleMs, countUnsent);
    // Its sender is waited for first, which is no work.
    pace.leavePlace();
    const id = newBatchId();
    nameDecision(request, reply, id);
    const signal = AbortSignal.any([ending.signal, this.stopping.signal]);
    const parts = new FilterParts(this.service, { request, question, id, key, lines, pace, signal });
    let first: AnsweredPart;
    try {
      first = await parts.next();
    } catch (error) {
      lines.stop();
      release();
      // No one is there to read it, and it isn't Remit that failed.
      throw error instanceof ReaderGone ? new BadRequest('The caller has left.') : error;
    }
    // A reader learns of the answer, and of its id, though its first line may be far off.
    reply.raw.once('pipe', () => {
      reply.raw.flushHeaders();
    });
    lines.isAnswered = !first.isLast;
    void this.writeParts(first, { request, reply, parts, answer, lines, signal: ending.signal }).finally(release);
    // Proxies that buffer answers would keep the sender waiting.
    return reply.type(`${LINES_TYPE}; charset=utf-8`).header('x-accel-buffering', 'no').send(answer);
  }

  private async writeParts(first: AnsweredPart, stream: WrittenStream): Promise<void> {
    const { parts, answer, lines, reply, signal } = stream;
    try {
      let part = first;
      await answer.write(part.text, signal);
      while (!part.isLast) {
        part = await parts.next();
        await answer.write(part.text, signal);
      }
      answer.finish(reply, lines.isAtEnd || !lines.isAnswered);
      lines.stop();
    } catch (error) {
      this.cutOff(error, stream);
    }
  }

  /** Ends an answer that fails in the middle: the reason is its last line, and the connection breaks. */
  private cutOff(error: unknown, { request, reply, answer, lines }: WrittenStream): void {
    lines.discard();
    if (error instanceof ReaderGone) answer.destroy();
    else answer.cutOff(reply, `${JSON.stringify(this.describeFailure(error, request))}\n`);
  }

  private describeFailure(error: unknown, request: FastifyRequest): object {
    if (error instanceof QuestionRefused) {
      const { delegateUrl } = this.service.config.delegations;
      const told = describeRefusal(error.refusal, requireCaller(request), delegateUrl);
      return { ...createProblem('question_refused', error.message), ...told };
    }
    if (error instanceof BadRequest) return createProblem(error.code, error.message, error.at);
    return reportFailure(error, request.log);
  }
}

/** The caller has left. */
class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

interface WrittenStream {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly parts: FilterParts;
  readonly answer: LineAnswer;
  readonly lines: LineSource;
  /** Ends the writing. */
  readonly signal: AbortSignal;
}
