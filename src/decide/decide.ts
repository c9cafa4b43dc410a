/**
 * A decision, from question to answer. Start reading here: the steps are one list, every step is judged by a pure
 * function, and an allow needs a pass of each of them.
 */
import { breathe } from '../runtime/yield.js';
import { conclude, recordOf } from './conclude.js';
import { type Course } from './evaluation.js';
import { type Judged } from './evaluation.js';
import { Deadline, faultOf } from '../runtime/deadline.js';
import { newDecisionId } from './decision-id.js';
import type { Relationships } from '../graph/port.js';
import type { CheckAnswer } from '../model/checks.js';
import { asksOf, factsOf, withThrough } from './facts.js';
import { gather } from './gather.js';
import type { Decision, WithFacts } from '../model/decision.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Obligation } from '../model/obligations.js';
import { combine, type Denial } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import { factsOnRecord, openingOf, recall } from './recorded-facts.js';
import type { Rules } from '../policy/load.js';
import { binding } from './steps/binding.js';
import { consent } from './steps/consent.js';
import { delegation } from './steps/delegation.js';
import { obligations } from './steps/obligations.js';
import { policy } from './steps/policy.js';
import { record } from './steps/record.js';
import { relationship } from './steps/relationship.js';
import type { Facts, JudgingStep } from './step.js';
import type { Established } from './bound-question.js';
import type { Opening } from './bound-question.js';
import { token } from './steps/token.js';
import type { Decisions } from '../store/decisions.js';
import type { Entities } from '../model/entities.js';
import type { Revocations } from '../model/revocations.js';
import { NOBODY_WATCHES, type Observer } from '../telemetry/observer.js';
import type { Credentials } from '../tokens/credentials.js';

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
  readonly credentials: Credentials;
  readonly relationships: Relationships;
  readonly entities: Pick<Entities, 'lookup'>;
  readonly decisions: Pick<Decisions, 'record' | 'correct'>;
  readonly revocations: Revocations;
  readonly observer: Observer;
  readonly now: () => Date;
  /** How long a decision may take, in milliseconds. */
  readonly deadlineMs: number;
}

/** @throws BadRequest where the question itself is at fault; never for an engine's failure, which is `unknown` */
export async function decide(question: Question, using: Deciding): Promise<Decision> {
  return using.observer.decision(question, () =>
    Deadline.of(using.deadlineMs, async (deadline) => {
      const [begun] = await begin([question], using, deadline);
      if (begun === undefined || begun instanceof BadRequest) throw begun ?? new TypeError('nothing was begun');
      const [course] = await judge([begun], using, deadline);
      if (course === undefined) throw new TypeError('nothing was judged');
      return close(course, using, deadline);
    }),
  );
}

/** A question after the steps that end the decision where they fail: then nothing is established. */
export interface Begun {
  readonly opening: Opening;
  readonly judged: readonly Judged[];
  readonly established?: Established;
}

/**
 * What token and binding of each question come to; a BadRequest for one that is itself at fault.
 *
 * @param questions of one request and on one token; they may differ in their subject, action or resource
 * @throws Fault where it can't be told
 */
export async function open(questions: readonly Question[], using: Deciding): Promise<readonly (Begun | BadRequest)[]> {
  const begun = await Deadline.of(using.deadlineMs, (deadline) => begin(questions, using, deadline));
  for (const one of begun) {
    if (one instanceof BadRequest || one.opening.credential === undefined) continue;
    if ('fault' in one.opening.credential) throw new Fault(one.opening.credential.fault, 'a search');
  }
  return begun;
}

/** The same of one question. @throws BadRequest where it is itself at fault; Fault where it can't be told */
export async function openOne(question: Question, using: Deciding): Promise<Begun> {
  const [begun] = await open([question], using);
  if (begun === undefined || begun instanceof BadRequest) throw begun ?? new TypeError('nothing was opened');
  return begun;
}

/** What a decision would be, as far as the record. */
export interface Foreseen {
  readonly allowed: boolean;
  readonly obligations: readonly Obligation[];
  /** What denies it. */
  readonly denials: readonly Denial[];
}

/**
 * What decisions would be without their records: what a search asks of its candidates and a filter of its records, to
 * write down once for them all.
 * @param begun as {@link open} has opened them together
 * @param known answers of SpiceDB that are there already, by the checks' keys
 * @throws Fault where one can't be decided
 */
export async function foresee(
  begun: readonly Begun[],
  using: Deciding,
  known?: ReadonlyMap<string, CheckAnswer>,
): Promise<readonly Foreseen[]> {
  const courses = await Deadline.of(using.deadlineMs, (deadline) => judge(begun, using, deadline, known));
  return courses.map(({ judged }) => {
    const outcomes = judged.map((j) => j.outcome);
    const verdict = combine(outcomes, OPENING.length + JUDGING.length);
    if (verdict === 'unknown')
      throw new Fault(outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded', 'a search');
    const obligations = outcomes.flatMap((o) => (o.outcome === 'pass' ? (o.obligations ?? []) : []));
    const denials = outcomes.filter((o) => o.outcome === 'deny');
    return { allowed: verdict === 'allow', obligations: verdict === 'allow' ? obligations : [], denials };
  });
}

async function begin(
  questions: readonly Question[],
  using: Deciding,
  deadline: Deadline,
): Promise<readonly (Begun | BadRequest)[]> {
  const [first] = questions;
  if (first === undefined) return [];
  const now = using.now();
  const rules = using.rules();
  const credential = await using.observer.phase('token', () => present(first, rules, now, using, deadline));
  const begun: (Begun | BadRequest)[] = [];
  for (const question of questions) {
    await breathe();
    try {
      begun.push(opened({ question, rules, now, credential }, using.observer));
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      begun.push(error);
    }
  }
  return begun;
}

/** @throws BadRequest */
function opened(opening: Opening, observer: Observer): Begun {
  const judged: Judged[] = [];
  let established: Established | undefined;
  for (const step of OPENING) {
    const outcome = observer.step(step.step, () => step.judge(opening));
    judged.push({ step: step.step, outcome });
    if (outcome.outcome !== 'pass') return { opening, judged };
    established = outcome.established;
  }
  if (established === undefined) throw new TypeError('binding passed and established nothing');
  return { opening, judged, established };
}

/** The steps between the first and the last. */
async function judge(
  begun: readonly Begun[],
  using: Deciding,
  deadline: Deadline,
  known?: ReadonlyMap<string, CheckAnswer>,
): Promise<readonly Course[]> {
  const going = begun.flatMap((b) => b.established ?? []);
  const { observer } = using;
  const gathered = (await observer.phase('gather', () => gather(JUDGING, going, using, deadline, known))).values();
  const courses: Course[] = [];
  for (const b of begun) {
    if (b.established === undefined) {
      courses.push(b);
      continue;
    }
    const next = gathered.next();
    if (next.done === true) throw new TypeError('nothing was gathered for a question');
    const { established, facts } = next.value;
    await breathe();
    const judged = JUDGING.map((step) => judgedBy(step, established, facts, observer));
    courses.push({ opening: b.opening, judged: [...b.judged, ...judged], established, facts });
  }
  return courses;
}

/** What the token that is asked on comes to, now: an agent's own was looked at before its body was there. */
async function present(question: Question, rules: Rules, now: Date, using: Deciding, deadline: Deadline) {
  const { caller, token, proof, usedProofs: used, dryRun } = question;
  if (token === undefined) return undefined;
  // An agent that calls by itself presents a token meant for Remit, which the issuer's audience says.
  const audience = caller.kind === 'agent' ? undefined : caller.client.audience;
  const presented = { token, by: caller.kind, audience, proof, used };
  try {
    return await deadline.hold(using.credentials.redeem(presented, rules.vocabulary, now, dryRun));
  } catch (error) {
    return { fault: faultOf(error) };
  }
}

/** A decision made once more, of what is on record of it: without an engine but Cedar, and without a record of its own. */
export interface Again {
  readonly decision: Decision;
  /** What these rules ask that was not asked then, so that it is unknown: checks, and entities as `type:id`. */
  readonly missing: readonly string[];
  /** How it came to be, for whoever explains it. */
  readonly course: Course;
}

/** @throws BadRequest where, by these rules, the question itself is at fault */
export function decideAgain(record: WithFacts, rules: Rules): Again {
  const begun = opened(openingOf(record, rules), NOBODY_WATCHES);
  const { opening, established: stated } = begun;
  const closed = { step: CLOSING.step, outcome: CLOSING.judge({ id: record.id }) };
  if (stated === undefined)
    return {
      decision: conclude(record.id, begun, [...begun.judged, closed], STEPS.length),
      missing: [],
      course: begun,
    };
  const asked = asksOf(JUDGING, stated);
  const { found, missing } = recall(record.facts, asked);
  const established = withThrough(stated, found.passedOn);
  const facts = factsOf(established, { asked, ...found });
  const judged = [...begun.judged, ...JUDGING.map((step) => judgedBy(step, established, facts, NOBODY_WATCHES))];
  const course = { opening, judged, established, facts };
  return { decision: conclude(record.id, course, [...judged, closed], STEPS.length), missing, course };
}

function judgedBy({ step, judge }: JudgingStep, established: Established, facts: Facts, observer: Observer): Judged {
  return { step, outcome: observer.step(step, () => judge(established, facts)) };
}

/** The record, and with it the last step. The stored record says what would be answered if storing it succeeds. */
async function close(course: Course, using: Deciding, deadline: Deadline): Promise<Decision> {
  const id = newDecisionId();
  const facts = factsOnRecord(course);
  const assumed = [...course.judged, { step: CLOSING.step, outcome: CLOSING.judge({ id }) }];
  const draft = conclude(id, course, assumed, STEPS.length);
  const stored = await using.observer
    .phase('record', () => deadline.hold(using.decisions.record(recordOf(draft, facts))))
    .then(() => ({ id }))
    .catch((error: unknown) => ({ fault: faultOf(error) }));
  const outcome = using.observer.step(CLOSING.step, () => CLOSING.judge(stored));
  if (!('fault' in stored)) return draft;
  const answered = conclude(id, course, [...course.judged, { step: CLOSING.step, outcome }], STEPS.length);
  // The store may yet finish what was given up: then the record must say what was answered.
  using.decisions.correct(recordOf(answered, facts));
  return answered;
}
