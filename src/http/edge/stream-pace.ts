/**
 * Holds a stream to what its caller may have: its parts wait for rate, for room and for a turn where a request by itself would
 * be refused, since what has been answered so far can't be taken back. Nothing is held while its sender is waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import { Fault } from '../../model/faults.js';
import type { JsonExtent } from '../../runtime/json-extent.js';
import { LIST_TURNS, type DecisionTurn } from './decision-turns.js';
import { RateLimitExceeded } from './errors.js';
import type { LineSource } from './line-source.js';
import { countBodyRequests, countQuestionRequests, LOCATED_CHARACTERS_A_REQUEST } from './request-cost.js';
import { requireParty } from './request-party.js';

/** The interval at which a part that has to wait asks again. */
const ASK_AGAIN_MS = 100;

export class StreamPace {
  /** The requests that were taken of the caller's rate. */
  private charged: number;
  private questions = 0;
  private readonly parsed = { structures: 0, values: 0, charactersAgain: 0 };
  private holdsPart = false;

  /**
   * @param signal ends every wait, with its reason
   * @param waitMs the longest wait for room
   * @param countUnsent the bytes that were answered and aren't sent yet
   */
  constructor(
    private readonly request: FastifyRequest,
    private readonly lines: Pick<LineSource, 'arrived'>,
    private readonly signal: AbortSignal,
    private readonly waitMs: number,
    private readonly countUnsent: () => number,
  ) {
    this.charged = request.rateCharge;
  }

  countQuestion(): void {
    this.questions += 1;
  }

  countParsed({ structures, values }: Pick<JsonExtent, 'structures' | 'values'>): void {
    this.parsed.structures += structures;
    this.parsed.values += values;
  }

  countReadAgain(characters: number): void {
    this.parsed.charactersAgain += characters;
  }

  /** Takes what has arrived so far of the caller's rate, and waits where that is used up. */
  readonly takeRate = async (): Promise<void> => {
    const { rateLimiter } = this.request.server;
    for (;;) {
      const cost = this.measure() - this.charged;
      if (cost < 1) return;
      if (rateLimiter.takePart(this.request, cost).allowed) {
        this.charged += cost;
        return;
      }
      await this.pause();
    }
  };

  /** Gives back the room of the part before. What of its answer isn't sent yet keeps as much as it takes. */
  leaveRoom(): void {
    const { held, server } = this.request;
    if (held !== undefined) server.health.admission.resize(held, Math.min(held.longBytes, this.countUnsent()));
    this.holdsPart = false;
  }

  /**
   * Takes room for a whole part once its lines are longer than what each request has room for, and waits for it with nothing
   * of it: streams that took it line by line would wait for each other without an end.
   * @param bytes that the lines have so far
   * @throws Fault `overloaded` where there is none in time
   */
  async takeRoom(bytes: number, partBytes: number): Promise<void> {
    const { held, server } = this.request;
    if (held === undefined || this.holdsPart || bytes <= held.shortBytes) return;
    const givesUpAt = performance.now() + this.waitMs;
    while (!server.health.admission.resize(held, this.countUnsent() + partBytes)) {
      if (performance.now() >= givesUpAt) throw new Fault('overloaded', 'a part of a stream');
      this.leaveRoom();
      await this.pause();
    }
    this.holdsPart = true;
  }

  /**
   * Does the work of a part in its turn.
   * @param questions of the part
   * @param isFirst whether nothing is answered yet: then it is refused rather than kept waiting
   */
  async work<T>(questions: number, isFirst: boolean, run: (turn: DecisionTurn) => Promise<T>): Promise<T> {
    await this.takeRate();
    await this.takeAgentsRate(countQuestionRequests(requireParty(this.request), questions));
    const turn = await this.takeTurn(isFirst);
    try {
      return await run(turn);
    } finally {
      turn.end();
      this.leavePlace();
    }
  }

  /** Gives back the place of a request that is worked on. */
  leavePlace(): void {
    const { held, server } = this.request;
    if (held !== undefined) server.health.admission.end(held, 0);
  }

  private async takeAgentsRate(cost: number): Promise<void> {
    const { rateLimiter } = this.request.server;
    while ((await rateLimiter.takeAgentsPart(this.request, cost))?.allowed === false) await this.pause();
  }

  private async takeTurn(isFirst: boolean): Promise<DecisionTurn> {
    for (;;)
      try {
        return await this.tryTurn();
      } catch (error) {
        const isBusy = error instanceof RateLimitExceeded || (error instanceof Fault && error.code === 'overloaded');
        if (isFirst || !isBusy) throw error;
        await this.pause();
      }
  }

  private async tryTurn(): Promise<DecisionTurn> {
    this.signal.throwIfAborted();
    const { held, server, body } = this.request;
    if (held !== undefined && !server.health.admission.begin(held)) throw new Fault('overloaded', 'a part of a stream');
    try {
      return await server.turns.take(this.request, { question: body, turns: LIST_TURNS });
    } catch (error) {
      this.leavePlace();
      throw error;
    }
  }

  private measure(): number {
    const { structures, values, charactersAgain } = this.parsed;
    return (
      1 +
      countBodyRequests({ ...this.lines.arrived, structures, values }) +
      countQuestionRequests(requireParty(this.request), this.questions) +
      Math.ceil(charactersAgain / LOCATED_CHARACTERS_A_REQUEST)
    );
  }

  private async pause(): Promise<void> {
    try {
      await sleep(ASK_AGAIN_MS, undefined, { signal: this.signal });
    } catch {
      this.signal.throwIfAborted();
    }
  }
}
