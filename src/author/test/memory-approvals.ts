/** Answers denied questions as the people of a test would, and serves decisions the approvals that come of it. */
import { findIneligibility, type EligibilityDeps } from '../../govern/approvals/eligibility.js';
import { isTaskUser } from '../../govern/approvals/answerable-steps.js';
import { DEFAULT_ONCE_MS, findStepPermission } from '../../govern/approvals/task-progress.js';
import type { Approval, ApprovalAnswer, Approvals, ApprovalStep, PresentedApproval } from '../../model/approvals.js';
import type { Decision } from '../../model/decision.js';
import { parseDescribedParties } from '../../model/acting.js';
import type { EntityRef } from '../../model/ids.js';
import { Deadline } from '../../runtime/deadline.js';
import type { ApprovalSpec } from './format.js';

const SEARCH_DEADLINE_MS = 10_000;

export class MemoryApprovals implements Approvals {
  private readonly approvals = new Map<string, Approval>();

  fetch(presented: readonly PresentedApproval[]): Promise<ReadonlyMap<string, Approval>> {
    const found = presented.flatMap(({ id }) => this.approvals.get(id) ?? []);
    return Promise.resolve(new Map(found.map((approval) => [approval.id, approval])));
  }

  /** Finds none: a case states itself what people say to its question. */
  findRefusals(): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map());
  }

  /**
   * Has people answer what the denial asks for, each of the steps that they may answer.
   * @returns what the question presents then; undefined where nothing is asked for, or not all of it is given
   */
  async answer(
    { access_request: offer, id, evaluated_at, request, rationale }: Decision,
    specs: readonly ApprovalSpec[],
    userType: string,
    deps: EligibilityDeps,
  ): Promise<PresentedApproval | undefined> {
    if (offer === undefined || specs.some(({ decision }) => decision === 'deny')) return undefined;
    const emergency = specs.some((spec) => spec.emergency) ? offer.emergency : undefined;
    const requester = parseDescribedParties(rationale.acting);
    const mayAnswer = async (step: ApprovalStep, by: EntityRef): Promise<boolean> => {
      const permission = findStepPermission(step, { emergency });
      if (permission === undefined) return isTaskUser(requester, by);
      // What an elevation gives is a relationship, which a test states itself.
      if (step.kind === 'elevation') return false;
      const question = { resource: request.resource, permission, approver: by, requester };
      const found = await Deadline.run(SEARCH_DEADLINE_MS, (deadline) => findIneligibility(question, deps, deadline));
      return 'eligible' in found && found.eligible;
    };
    const answers: ApprovalAnswer[] = [];
    for (const [index, step] of offer.steps.entries())
      for (const { by } of specs) {
        const person = { type: userType, id: by };
        if (!(await mayAnswer(step, person))) continue;
        answers.push({ step: index, by: person, at: evaluated_at });
        break;
      }
    if (answers.length < offer.steps.length) return undefined;
    // A user's own yes is to one question.
    const isOnce = offer.steps.some(({ kind }) => kind === 'user') || specs.some((spec) => spec.scope !== 'until');
    const scope = isOnce ? 'once' : 'until';
    const ends = specs.flatMap(({ until }) => (until === undefined ? [] : [Date.parse(until)]));
    const end = Math.min(...(ends.length === 0 ? [Date.parse(evaluated_at) + (deps.onceMs ?? DEFAULT_ONCE_MS)] : ends));
    const { steps, binding } = offer;
    const approved_until = new Date(end).toISOString();
    this.approvals.set(id, {
      ...{ id, state: 'approved', binding, steps, answers, scope, approved_until, granted: true },
      ...(emergency === undefined ? {} : { emergency }),
    });
    return { id };
  }
}
