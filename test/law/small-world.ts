/** A company of a few agents for laws about stored entities and time: real rules, tokens and engines, in memory. */
import { decide, type DecisionDeps } from '../../src/decide/decide.js';
import { TestEnvironment } from '../../src/author/test/environment.js';
import type { TokenSpec } from '../../src/author/test/format.js';
import type { RelationshipGraph } from '../../src/graph/port.js';
import type { CheckAnswer, CheckRequest } from '../../src/model/checks.js';
import type { TokenReading } from '../../src/model/credential.js';
import { parseRelationship } from '../../src/graph/relationship-text.js';
import type { Decision } from '../../src/model/decision.js';
import { OBLIGATION_TYPES } from '../../src/model/obligations.js';
import type { StoredEntity } from '../../src/model/entities.js';
import { CLIENT_PERMISSIONS, NO_ACCOUNT, type Client, type Question } from '../../src/model/question.js';
import type { Rules } from '../../src/policy/load.js';
import { DAYTIME } from '../support/sample.js';
import { NO_APPROVER_RULES } from '../../src/govern/approvals/eligibility.js';

export const CLIENT: Client = {
  id: 'c',
  may: new Set(CLIENT_PERMISSIONS),
  audience: undefined,
  resources: undefined,
  defaultMode: undefined,
  answers: 'full',
  rate: 1,
  supportedObligations: [],
};

/** A question that says nothing but what it must. */
export const QUESTION: Question = {
  caller: { kind: 'client', client: CLIENT },
  account: NO_ACCOUNT,
  subject: { type: 'user', id: 'ann', properties: {} },
  action: { name: 'read', properties: {} },
  resource: { type: 'doc', id: 'plan', properties: {} },
  context: {},
  token: undefined,
  proof: {},
  usedProofs: new Map(),
  statedAgent: undefined,
  statedMode: undefined,
  assertedAgent: undefined,
  supportedObligations: OBLIGATION_TYPES,
  consistency: 'full',
  dryRun: false,
  explain: true,
  requestId: undefined,
  idempotencyKey: undefined,
  tokenRequired: false,
};

export interface SmallWorldState {
  readonly relationships: readonly string[];
  readonly entities: readonly StoredEntity[];
  readonly now?: Date;
  /** Answers checks in SpiceDB's place: SpiceDB goes by the host's clock, so no test can wait for an expiration there. */
  readonly check?: (check: CheckRequest, now: Date) => CheckAnswer;
}

export class SmallWorld {
  private constructor(
    private readonly rules: Rules,
    private readonly environment: TestEnvironment,
  ) {}

  static async open(rules: Rules): Promise<SmallWorld> {
    return new SmallWorld(rules, await TestEnvironment.start(rules.graph));
  }

  close(): Promise<void> {
    return this.environment.close();
  }

  /** Mints a token at the time of the state that was last asked in. */
  token(spec: TokenSpec): Promise<TokenReading> {
    return this.environment.requestToken(spec);
  }

  /** Puts the state in place, and returns what decisions in it are made with. */
  async deps({ relationships, entities, now = DAYTIME, check }: SmallWorldState): Promise<DecisionDeps> {
    const world = { relationships: relationships.map(parseRelationship), entities };
    await this.environment.applyScene({
      world,
      changes: { with: [], without: [], entities: [], used: [], history: {}, delegations: [], consents: [] },
      approverRules: NO_APPROVER_RULES,
      now,
    });
    const deps = this.environment.decisionDeps(this.rules);
    if (check === undefined) return deps;
    const timed = Object.create(deps.relationships, {
      check: {
        value: (checks: readonly CheckRequest[]) => Promise.resolve(checks.map((request) => check(request, now))),
      },
    }) as RelationshipGraph;
    return { ...deps, relationships: timed };
  }

  /** @param by `agent`: the token's agent asks for itself */
  async ask(
    state: SmallWorldState,
    question: Partial<Question>,
    token?: TokenSpec,
    by: 'client' | 'agent' = 'client',
  ): Promise<Decision> {
    const deps = await this.deps(state);
    const reading = token === undefined ? undefined : await this.environment.requestToken(token);
    const caller: Question['caller'] =
      by === 'agent' && token !== undefined && reading !== undefined
        ? {
            kind: 'agent',
            agent: token.agent,
            presented: { reading, by: 'agent', audience: undefined, proof: {}, used: new Map() },
          }
        : QUESTION.caller;
    return decide({ ...QUESTION, token: reading, caller, ...question }, deps);
  }
}

/** A stored entity without parents. */
export function entity(type: string, id: string, attributes: Readonly<Record<string, unknown>> = {}): StoredEntity {
  return { type, id, attributes, parents: [] };
}
