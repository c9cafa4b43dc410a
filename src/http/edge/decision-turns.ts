/**
 * Lets decisions in by turns: what callers ask for beyond their share waits, item by item, and a caller with few questions
 * passes by. A question whose record will be long takes several turns, so that long ones hold up those of their own caller.
 * Agents and users that call by themselves share turns of their own, since a token is all it takes to be one of them:
 * whatever they ask, a client is held up by no more than those few.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Fault } from '../../model/faults.js';
import type { CallerAccount } from '../../model/question.js';
import { FairLimit, type CallerGroups } from '../../runtime/fair-limit.js';
import { countExcessBytes, estimateExcessBytes, ORDINARY_RECORD_BYTES, type RecordRate } from './record-rate.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The turns that each request of the route takes; absent: none, or as many as the handler takes. */
    turns?: number;
  }
  interface FastifyInstance {
    turns: DecisionTurns;
  }
  interface FastifyRequest {
    /** The turn that the request has; undefined where it has none, or its items have one each. */
    turn: DecisionTurn | undefined;
  }
}

/** A caller's turn to have something decided. */
export interface DecisionTurn {
  /** The account that what is decided in this turn is put on record for. */
  readonly account: CallerAccount;
  readonly end: () => void;
}

/** Decisions of clients that are made at one time; one client alone has half of them. */
const CLIENT_TURNS = 128;
/** Those of agents and users that call by themselves: enough for one small bulk check. */
const TOKEN_TURNS = 32;
/** The turns of a list, which decides about many things. */
export const LIST_TURNS = 8;
/** The part of all turns that one question takes at most, however long it is. */
const MAX_SHARE = 1 / 4;

/** The request of a question for its turns. */
interface TurnRequest {
  /** The parts of the question, with the defaults of its batch; unvalidated. */
  readonly question: unknown;
  /** The turns of an ordinary one. */
  readonly turns?: number | undefined;
}

export class DecisionTurns {
  private readonly clients = new FairLimit(CLIENT_TURNS);
  private readonly tokens = new FairLimit(TOKEN_TURNS);

  /**
   * @param records where decisions are recorded: nothing is decided for a caller whose share of it is full
   * @param rate of the bytes of records
   * @param waitMs the longest wait
   */
  constructor(
    private readonly records: { readonly hasRoom: (groups: CallerGroups, bytes: number) => boolean },
    private readonly rate: Pick<RecordRate, 'reserve' | 'settle'>,
    private readonly waitMs: number,
  ) {}

  /** Takes a turn for a request's caller, and charges it with the record. @throws Fault `overloaded`; RateLimitExceeded */
  async take(request: FastifyRequest, { question, turns: ordinaryTurns = 1 }: TurnRequest): Promise<DecisionTurn> {
    const { caller, callerGroups: groups = [] } = request;
    const [limit, all] = caller?.kind === 'client' ? [this.clients, CLIENT_TURNS] : [this.tokens, TOKEN_TURNS];
    const reserved = estimateExcessBytes(request, question);
    const turns = Math.min(ordinaryTurns + Math.ceil(reserved / ORDINARY_RECORD_BYTES), all * MAX_SHARE);
    await limit.waitForRoom(groups, turns, this.waitMs);
    try {
      // Only now, since the decisions before may have filled the one and used up the other.
      if (!this.records.hasRoom(groups, ORDINARY_RECORD_BYTES + reserved))
        throw new Fault('overloaded', 'decision records');
      this.rate.reserve(request, reserved);
    } catch (error) {
      limit.release(groups, turns);
      throw error;
    }
    let recorded = 0;
    const countRecord = (bytes: number): void => {
      recorded += countExcessBytes(bytes);
    };
    const end = (): void => {
      limit.release(groups, turns);
      this.rate.settle(request, reserved, recorded);
    };
    return { account: { groups, countRecord }, end };
  }
}

/** The turn of a request whose route has one. */
export function requireTurn({ turn }: FastifyRequest): DecisionTurn {
  if (turn === undefined) throw new TypeError('the request has no turn');
  return turn;
}

/** Adds the hooks that hold a request's turn from its handler to its answer. */
export function holdTurns(app: FastifyInstance): void {
  app.decorateRequest('turn', undefined);
  app.addHook('preHandler', (request, _reply, done) => {
    const { turns } = request.routeOptions.config;
    // A stream takes them for each of its parts, and none while it waits for its sender.
    if (turns === undefined || request.lines !== undefined) done();
    else
      app.turns.take(request, { question: request.body, turns }).then((turn) => {
        request.turn = turn;
        done();
      }, done);
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    request.turn?.end();
    request.turn = undefined;
    done(null, payload);
  });
}
