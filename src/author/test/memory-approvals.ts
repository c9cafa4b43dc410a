/** Answers denied questions as the people of a test would, and serves decisions the approvals that come of it. */
import { isTaskUser } from '../../govern/approvals/answerable-steps.js';
import { findIneligibility, type EligibilityDeps } from '../../govern/approvals/eligibility.js';
import { describeIneligibility } from '../../govern/approvals/judge.js';
import { DEFAULT_ONCE_MS, findStepPermission, listOpenSteps } from '../../govern/approvals/task-progress.js';
import { parseDescribedParties } from '../../model/acting.js';
import type { Approval, ApprovalAnswer, Approvals, ApprovalStep, PresentedApproval } from '../../model/approvals.js';
import type { Decision } from '../../model/decision.js';
import { describeRef, type EntityRef } from '../../model/ids.js';
import { Deadline } from '../../runtime/deadline.js';
import type { ApprovalSpec } from './format.js';

const SEARCH_DEADLINE_MS = 10_000;

export interface ApprovalOutcome {
  /** The approval that the question presents then; undefined where nothing is asked for, or not all of it is given. */
  readonly approval: PresentedApproval | undefined;
  /** The answers that a service would have refused, each with why. */
  readonly refused: readonly string[];
}

/** The denial that people answer, with what decides who may. */
interface AnswerRound {
  readonly denial: Decision;
  /** The permission whose holders answer in an emergency, where it was asked for as one. */
  readonly emergency: string | undefined;
  readonly deps: EligibilityDeps;
}

export class MemoryApprovals implements Approvals {
  private readonly approvals = new Map<string, Approval>();

  fetch(presented: readonly PresentedApproval[]): Promise<ReadonlyMap<string, Approval>> {
    const presentedApprovals = presented.flatMap(({ id }) => this.approvals.get(id) ?? []);
    return Promise.resolve(new Map(presentedApprovals.map((approval) => [approval.id, approval])));
  }

  /** Finds none: a case states itself what people say to its question. */
  findRefusals(): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map());
  }

  /**
   * Has people answer what the denial asks for one after another, each of the steps that they may answer and that lack a yes,
   * as a service would have them: a no of one of them is the last word, and a no of another changes nothing.
   */
  async answer(
    denial: Decision,
    specs: readonly ApprovalSpec[],
    userType: string,
    deps: EligibilityDeps,
  ): Promise<ApprovalOutcome> {
    const { access_request: offer, id, evaluated_at } = denial;
    if (offer === undefined) return { approval: undefined, refused: ['nothing is asked of people here'] };
    const emergency = specs.some((spec) => spec.emergency) ? offer.emergency : undefined;
    const { steps, binding } = offer;
    const round = { denial, emergency, deps };
    const refused: string[] = [];
    const approving: ApprovalSpec[] = [];
    const answers: ApprovalAnswer[] = [];
    for (const [i, spec] of specs.entries()) {
      const person = { type: userType, id: spec.by };
      const open = listOpenSteps({ steps, answers });
      const refusals = await Promise.all(open.map((step) => findAnswerProblem(steps[step], person, round)));
      const answerable = open.filter((_, index) => refusals[index] === undefined);
      if (answerable.length === 0)
        refused.push(`${describeRef(person)} may not answer: ${refusals[0] ?? 'it is approved already'}`);
      else if (spec.decision === 'deny') {
        const later = specs.slice(i + 1).map(({ by }) => `${userType}:${by} may not answer: it is denied already`);
        return { approval: undefined, refused: [...refused, ...later] };
      } else {
        approving.push(spec);
        answers.push(...answerable.map((step) => ({ step, by: person, at: evaluated_at })));
      }
    }
    if (answers.length < steps.length) return { approval: undefined, refused };
    // A user's own yes is to one question.
    const isOnce = steps.some(({ kind }) => kind === 'user') || approving.some(({ scope }) => scope !== 'until');
    const ends = approving.flatMap(({ until }) => (until === undefined ? [] : [Date.parse(until)]));
    const end = Math.min(...(ends.length === 0 ? [Date.parse(evaluated_at) + (deps.onceMs ?? DEFAULT_ONCE_MS)] : ends));
    this.approvals.set(id, {
      ...{ id, state: 'approved', binding, steps, answers, scope: isOnce ? 'once' : 'until' },
      ...{ approved_until: new Date(end).toISOString(), granted: true },
      ...(emergency === undefined ? {} : { emergency }),
    });
    return { approval: { id }, refused };
  }
}

/** Finds why the person may not answer the step; undefined where they may. */
async function findAnswerProblem(
  step: ApprovalStep | undefined,
  person: EntityRef,
  { denial: { request, rationale }, emergency, deps }: AnswerRound,
): Promise<string | undefined> {
  if (step === undefined) return describeIneligibility('unknown_step');
  // What an elevation gives is a relationship, which a test states itself.
  if (step.kind === 'elevation') return 'the test states the relationship that an elevation gives';
  const requester = parseDescribedParties(rationale.acting);
  const permission = findStepPermission(step, { emergency });
  if (permission === undefined)
    return isTaskUser(requester, person) ? undefined : describeIneligibility('not_the_user');
  const question = { resource: request.resource, permission, approver: person, requester };
  const eligibility = await Deadline.run(SEARCH_DEADLINE_MS, (deadline) => findIneligibility(question, deps, deadline));
  if ('fault' in eligibility) return `it can not be told whether they may (${eligibility.fault})`;
  return eligibility.eligible ? undefined : describeIneligibility(eligibility.why);
}
