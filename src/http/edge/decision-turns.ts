/**
 * Lets decisions in by turns: what callers ask for beyond their share waits, item by item, and a caller with few questions
 * passes by. Agents and users that call by themselves share turns of their own, since a token is all it takes to
 * be one of them: whatever they ask, a client is held up by no more than those few.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Fault } from '../../model/faults.js';
import { FairLimit, type CallerGroups } from '../../runtime/fair-limit.js';
import type { RateLimiter } from './rate-limit.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The turns that each request of the route takes; absent: none, or as many as the handler takes. */
    turns?: number;
  }
  interface FastifyInstance {
    turns: DecisionTurns;
  }
  interface FastifyRequest {
    /** Gives the turns back that the request has taken; undefined where it has taken none. */
    endTurns: (() => void) | undefined;
  }
}

/** Decisions of clients that are made at one time; one client alone has half of them. */
const CLIENT_TURNS = 128;
/** Those of agents and users that call by themselves: enough for one small bulk check. */
const TOKEN_TURNS = 32;
/** The turns of a list, which decides about many things. */
export const LIST_TURNS = 8;

export class DecisionTurns {
  private readonly clients = new FairLimit(CLIENT_TURNS);
  private readonly tokens = new FairLimit(TOKEN_TURNS);

  /**
   * @param records where decisions are recorded: nothing is decided for a caller whose share of it is full
   * @param rates which say whether the records of a caller weigh more than they may
   * @param waitMs the longest wait
   */
  constructor(
    private readonly records: { readonly hasRoom: (groups: CallerGroups) => boolean },
    private readonly rates: Pick<RateLimiter, 'checkRecordDebt'>,
    private readonly waitMs: number,
  ) {}

  /** Takes turns for a request's caller. @returns how to give them back. @throws Fault `overloaded`; RateLimitExceeded */
  async take(request: FastifyRequest, turns = 1): Promise<() => void> {
    const { caller, callerGroups = [] } = request;
    const limit = caller?.kind === 'client' ? this.clients : this.tokens;
    await limit.waitForRoom(callerGroups, turns, this.waitMs);
    const end = (): void => {
      limit.release(callerGroups, turns);
    };
    try {
      // Only now, since the decisions before may have filled the one and used up the other.
      if (!this.records.hasRoom(callerGroups)) throw new Fault('overloaded', 'decision records');
      this.rates.checkRecordDebt(request);
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }
}

/** Adds the hooks that hold a request's turns from its handler to its answer. */
export function holdTurns(app: FastifyInstance): void {
  app.decorateRequest('endTurns', undefined);
  app.addHook('preHandler', (request, _reply, done) => {
    const { turns } = request.routeOptions.config;
    if (turns === undefined) done();
    else
      app.turns.take(request, turns).then((end) => {
        request.endTurns = end;
        done();
      }, done);
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    request.endTurns?.();
    request.endTurns = undefined;
    done(null, payload);
  });
}
