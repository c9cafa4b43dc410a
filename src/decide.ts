/**
 * A decision, from question to answer. Start reading here: the steps are one list, every step is judged by a pure
 * function, and an allow needs a pass of each of them.
 */
import { v7 as uuid } from 'uuid';
import { actingText } from './model/acting.js';
import type { Decision, DecisionRecord, StepEvidence } from './model/decision.js';
import { Fault, type FaultCode } from './model/faults.js';
import { refText } from './model/ids.js';
import { combine, type Outcome, type Verdict } from './model/outcome.js';
import { callerId, type Question } from './model/question.js';
import { checkKey } from './model/relationships.js';
import type { AskedCheck, CheckAnswer, Relationships } from './engines/spicedb/port.js';
import type { Obligation } from './rules/duties.js';
import type { Rules } from './rules/load.js';
import { consult } from './steps/consult.js';
import type { Decisions } from './stores/decisions.js';
import type { Entities, KnownEntity } from './stores/entities.js';
import type { TokenVerifier } from './tokens/verify.js';
import { binding } from './steps/binding.js';
import { consent } from './steps/consent.js';
import { delegation } from './steps/delegation.js';
import { due, obligations } from './steps/obligations.js';
import { agentCanChecks, canChecks, policy } from './steps/policy.js';
import { record } from './steps/record.js';
import { gate, relationship } from './steps/relationship.js';
import type { Established, Facts, Opening } from './steps/step.js';
import { token } from './steps/token.js';
import { breathe } from './breathe.js';
import { tell } from './tell.js';

/** The first two end the decision where they fail: nothing is looked up for whoever isn't who they say. */
const OPENING = [token, binding] as const;
/** These are all judged, so that a deny names everything that is missing. */
const JUDGING = [delegation, relationship, consent, policy, obligations] as const;
const CLOSING = record;
/** The law's eight steps, in order. */
export const STEPS = [...OPENING, ...JUDGING, CLOSING] as const;

export interface Deciding {
  /** The rules in force; taken once a decision. */
  readonly rules: () => Rules;
  readonly tokens: TokenVerifier;
  readonly relationships: Relationships;
  readonly entities: Entities;
  readonly decisions: Decisions;
  readonly now: () => Date;
  /** How long a decision may take, in milliseconds. */
  readonly deadlineMs: number;
}

/** @throws BadRequest where the question itself is at fault; never for an engine's failure, which is `unknown` */
export async function decide(question: Question, using: Deciding): Promise<Decision> {
  const now = using.now();
  const rules = using.rules();
  const deadline = new Deadline(using.deadlineMs);
  try {
    const opening: Opening = { question, rules, now, verification: await verify(question, now, using, deadline) };
    const judged: Judged[] = [];
    let established: Established | undefined;
    for (const step of OPENING) {
      const outcome = step.judge(opening);
      judged.push({ step: step.step, outcome });
      if (outcome.outcome !== 'pass') return await close({ opening, judged }, using, deadline);
      established = outcome.established;
    }
    if (established === undefined) throw new TypeError('binding passed and established nothing');
    const facts = await gather(established, using, deadline);
    for (const step of JUDGING) judged.push({ step: step.step, outcome: step.judge(established, facts) });
    return await close({ opening, judged, established, facts }, using, deadline);
  } finally {
    deadline.clear();
  }
}

export interface Judged {
  readonly step: string;
  readonly outcome: Outcome;
}

/** What a decision has come to before it is on record. */
export interface Course {
  readonly opening: Opening;
  readonly judged: readonly Judged[];
  readonly established?: Established;
  readonly facts?: Facts;
}

async function verify(
  question: Question,
  now: Date,
  using: Deciding,
  deadline: Deadline,
): Promise<Opening['verification']> {
  const { caller } = question;
  const jwt = caller.kind === 'agent' ? caller.token : question.token;
  if (jwt === undefined) return undefined;
  // An agent that calls by itself presents a token meant for Remit, which the issuer's audience says.
  const audience = caller.kind === 'agent' ? undefined : caller.client.audience;
  try {
    return await deadline.hold(using.tokens.verify(jwt, audience, now));
  } catch (error) {
    return { fault: faultOf(error) };
  }
}

/** Asks the engines everything that the steps want to know, all at once. */
async function gather(e: Established, using: Deciding, deadline: Deadline): Promise<Facts> {
  const asks = JUDGING.map((step) => step.asks?.(e) ?? {});
  const checks = asks.flatMap((a) => a.checks ?? []);
  const refs = [...new Map(asks.flatMap((a) => a.entities ?? []).map((ref) => [refText(ref), ref])).entries()];

  const [answers, entities] = await Promise.all([
    deadline.hold(using.relationships.check(checks, e.question.consistency)).catch((error: unknown) => faultOf(error)),
    deadline.hold(using.entities.lookup(refs.map(([, ref]) => ref))).catch((error: unknown) => faultOf(error)),
  ]);

  const answered = new Map<string, CheckAnswer>();
  for (const [i, check] of checks.entries()) {
    const answer: CheckAnswer | undefined =
      typeof answers === 'string' ? { result: 'unknown', fault: answers } : answers[i];
    // The gate may also stand in `can`; the answer that carries the path is the one to keep.
    if (answer !== undefined && (check.explain === true || !answered.has(checkKey(check))))
      answered.set(checkKey(check), answer);
  }
  const known = new Map<string, KnownEntity | undefined>();
  if (typeof entities !== 'string') for (const [i, [key]] of refs.entries()) known.set(key, entities[i]);

  const lookups: Pick<Facts, 'check' | 'entity'> = {
    check: (check) => answered.get(checkKey(check)) ?? { result: 'unknown', fault: 'relationships_unavailable' },
    entity: (ref) => known.get(refText(ref)),
  };
  const held = (list: readonly AskedCheck[]): Record<string, boolean> =>
    Object.fromEntries(list.map((check) => [check.permission, lookups.check(check).result === 'yes']));
  const entitiesFault = typeof entities === 'string' ? entities : undefined;
  await breathe();
  const cedar =
    entitiesFault === undefined
      ? consult(e, {
          entity: lookups.entity,
          can: held(canChecks(e)),
          agentCan: held(agentCanChecks(e)),
          reachable: lookups.check(gate(e)).result === 'yes',
        })
      : ({
          acting: { kind: 'fault', fault: entitiesFault },
          chain: [],
          duties: { kind: 'fault', fault: entitiesFault },
        } as const);
  const ends = [...answered.values()].flatMap((a) => (a.result === 'yes' && a.until !== undefined ? [a.until] : []));
  return { ...lookups, entitiesFault, cedar, ends };
}

/** The record, and with it the last step. The stored record says what would be answered if storing it succeeds. */
async function close(course: Course, using: Deciding, deadline: Deadline): Promise<Decision> {
  const id = uuid();
  const assumed = [...course.judged, { step: CLOSING.step, outcome: CLOSING.judge({ id }) }];
  const draft = decisionOf(id, course, assumed);
  const stored = await deadline
    .hold(using.decisions.record(recordOf(draft)))
    .then(() => ({ id }))
    .catch((error: unknown) => ({ fault: faultOf(error) }));
  if (!('fault' in stored)) return draft;
  const answered = decisionOf(id, course, [...course.judged, { step: CLOSING.step, outcome: CLOSING.judge(stored) }]);
  // The store may yet finish what was given up: then the record must say what was answered.
  using.decisions.correct(recordOf(answered));
  return answered;
}

function decisionOf(id: string, course: Course, judged: readonly Judged[]): Decision {
  const { question, rules, now } = course.opening;
  const outcomes = judged.map((j) => j.outcome);
  // A decision that ended early never has all the steps, so it can't be an allow.
  const verdict: Verdict = combine(outcomes, STEPS.length);
  const fault =
    verdict === 'unknown' ? (outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded') : undefined;
  const acting = course.established?.acting;
  const grant = acting?.grant;
  const allowed = verdict === 'allow';
  const obliged: readonly Obligation[] =
    allowed && course.established && course.facts ? due(course.established, course.facts).obligations : [];
  const steps = judged.map(({ step, outcome }): StepEvidence => ({
    step,
    outcome: outcome.outcome,
    evidence: outcome.evidence,
  }));
  const denials = outcomes.filter((o) => o.outcome === 'deny');
  const reasons = denials.flatMap((o) => o.reasons);
  return {
    id,
    evaluated_at: now.toISOString(),
    valid_until: allowed ? validUntil(course, now) : now.toISOString(),
    client: callerId(question.caller),
    decision: allowed,
    dry_run: question.dryRun,
    policy_version: rules.version,
    request: {
      subject: { type: question.subject.type, id: question.subject.id },
      action: question.action.name,
      resource: { type: question.resource.type, id: question.resource.id },
      ...(question.requestId === undefined ? {} : { request_id: question.requestId }),
    },
    ...(grant === undefined ? {} : { token: { issuer: grant.issuer, jti: grant.jti, client_id: grant.clientId } }),
    reasons,
    remedies: denials.flatMap((o) => o.remedies),
    first: { reasons: denials[0]?.reasons ?? [], remedies: denials[0]?.remedies ?? [] },
    obligations: obliged,
    rationale: { ...(acting === undefined ? {} : { acting: actingText(acting) }), steps },
    ...(fault === undefined ? {} : { fault }),
    ...tell(verdict, reasons, fault, course),
  };
}

/** The earliest end that is known of what the allow rests on; without a token there is none, so nothing may be kept. */
function validUntil({ established, facts }: Course, now: Date): string {
  const grant = established?.acting.grant;
  if (grant === undefined || facts === undefined) return now.toISOString();
  return [new Date(grant.expiresAt * 1000).toISOString(), ...facts.ends].reduce((a, b) => (b < a ? b : a));
}

/** What is stored: the decision without what only its answer needs. */
function recordOf(decision: Decision): DecisionRecord {
  const {
    valid_until: _u,
    remedies: _r,
    first: _fi,
    fault: _f,
    reason_user: _ru,
    reason_admin: _ra,
    ...kept
  } = decision;
  return kept;
}

function faultOf(error: unknown): FaultCode {
  if (error instanceof Fault) return error.code;
  throw error;
}

/** Holds every wait of a decision to one deadline; what comes after it is no longer waited for. */
class Deadline {
  private readonly timer: NodeJS.Timeout;
  private readonly passed: Promise<never>;

  constructor(ms: number) {
    let reject: (fault: Fault) => void = () => undefined;
    this.passed = new Promise<never>((_, r) => (reject = r));
    this.passed.catch(() => undefined);
    this.timer = setTimeout(() => {
      reject(new Fault('deadline_exceeded'));
    }, ms);
  }

  hold<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.passed]);
  }

  clear(): void {
    clearTimeout(this.timer);
  }
}
