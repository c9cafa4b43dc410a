/**
 * A decision, from question to answer. Start reading here: the steps are one list, every step is judged by a pure
 * function, and an allow needs a pass of each of them.
 */
import { v7 as uuid } from 'uuid';
import { conclude, recordOf, type Course, type Judged } from './conclude.js';
import { Deadline, faultOf } from './deadline.js';
import type { Relationships } from './engines/spicedb/port.js';
import { gather } from './gather.js';
import type { Decision } from './model/decision.js';
import { Fault } from './model/faults.js';
import type { Obligation } from './rules/duties.js';
import { combine } from './model/outcome.js';
import type { Question } from './model/question.js';
import type { Rules } from './rules/load.js';
import { binding } from './steps/binding.js';
import { consent } from './steps/consent.js';
import { delegation } from './steps/delegation.js';
import { obligations } from './steps/obligations.js';
import { policy } from './steps/policy.js';
import { record } from './steps/record.js';
import { relationship } from './steps/relationship.js';
import type { Established, Opening } from './steps/step.js';
import { token } from './steps/token.js';
import type { Decisions } from './stores/decisions.js';
import type { Entities } from './stores/entities.js';
import type { Revocations } from './stores/revocations.js';
import type { Credentials } from './tokens/credentials.js';

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
  readonly entities: Entities;
  readonly decisions: Decisions;
  readonly revocations: Revocations;
  readonly now: () => Date;
  /** How long a decision may take, in milliseconds. */
  readonly deadlineMs: number;
}

/** @throws BadRequest where the question itself is at fault; never for an engine's failure, which is `unknown` */
export async function decide(question: Question, using: Deciding): Promise<Decision> {
  const deadline = new Deadline(using.deadlineMs);
  try {
    return await close(await judge(question, using, deadline), using, deadline);
  } finally {
    deadline.clear();
  }
}

/** What a decision would be, as far as the record. */
export interface Foreseen {
  readonly allowed: boolean;
  readonly obligations: readonly Obligation[];
}

/**
 * What a decision would be without its record: what a search asks of each candidate and a filter of each record, to write
 * down once for them all.
 * @throws BadRequest where the question itself is at fault; Fault where it can't be decided
 */
export async function foresee(question: Question, using: Deciding): Promise<Foreseen> {
  const deadline = new Deadline(using.deadlineMs);
  try {
    const { judged } = await judge(question, using, deadline);
    const outcomes = judged.map((j) => j.outcome);
    const verdict = combine(outcomes, OPENING.length + JUDGING.length);
    if (verdict === 'unknown')
      throw new Fault(outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded', 'a search');
    const obligations = outcomes.flatMap((o) => (o.outcome === 'pass' ? (o.obligations ?? []) : []));
    return { allowed: verdict === 'allow', obligations: verdict === 'allow' ? obligations : [] };
  } finally {
    deadline.clear();
  }
}

/**
 * What the token and the binding of a question come to, for whoever looks for candidates.
 * @throws BadRequest where the question itself is at fault; Fault where it can't be told
 */
export async function open(
  question: Question,
  using: Deciding,
): Promise<{ readonly credential: Opening['credential']; readonly established: Established | undefined }> {
  const deadline = new Deadline(using.deadlineMs);
  try {
    const { opening, established } = await begin(question, using, deadline);
    const { credential } = opening;
    if (credential !== undefined && 'fault' in credential) throw new Fault(credential.fault, 'a search');
    return { credential, established };
  } finally {
    deadline.clear();
  }
}

/** All the steps but the last. */
async function judge(question: Question, using: Deciding, deadline: Deadline): Promise<Course> {
  const { opening, judged, established } = await begin(question, using, deadline);
  if (established === undefined) return { opening, judged };
  const gathered = await gather(JUDGING, established, using, deadline);
  for (const step of JUDGING)
    judged.push({ step: step.step, outcome: step.judge(gathered.established, gathered.facts) });
  return { opening, judged, ...gathered };
}

/** The steps that end the decision where they fail: then nothing is established. */
async function begin(question: Question, using: Deciding, deadline: Deadline) {
  const now = using.now();
  const rules = using.rules();
  const opening: Opening = { question, rules, now, credential: await present(question, rules, now, using, deadline) };
  const judged: Judged[] = [];
  let established: Established | undefined;
  for (const step of OPENING) {
    const outcome = step.judge(opening);
    judged.push({ step: step.step, outcome });
    if (outcome.outcome !== 'pass') return { opening, judged, established: undefined };
    established = outcome.established;
  }
  if (established === undefined) throw new TypeError('binding passed and established nothing');
  return { opening, judged, established };
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

/** The record, and with it the last step. The stored record says what would be answered if storing it succeeds. */
async function close(course: Course, using: Deciding, deadline: Deadline): Promise<Decision> {
  const id = uuid();
  const assumed = [...course.judged, { step: CLOSING.step, outcome: CLOSING.judge({ id }) }];
  const draft = conclude(id, course, assumed, STEPS.length);
  const stored = await deadline
    .hold(using.decisions.record(recordOf(draft)))
    .then(() => ({ id }))
    .catch((error: unknown) => ({ fault: faultOf(error) }));
  if (!('fault' in stored)) return draft;
  const answered = conclude(
    id,
    course,
    [...course.judged, { step: CLOSING.step, outcome: CLOSING.judge(stored) }],
    STEPS.length,
  );
  // The store may yet finish what was given up: then the record must say what was answered.
  using.decisions.correct(recordOf(answered));
  return answered;
}
