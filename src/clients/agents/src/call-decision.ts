/** The decision about a call of a tool: it may run, it waits for an approval that was asked for, or it is refused. */
import { MASKING_TYPES, RemitSetupError, type AccessRequestTask, type Evaluation, type TaskStatus } from 'remit-client';
import type { RequestBinding } from './request-binding.js';
import type { ToolClient, ToolGuardOptions } from './guard-options.js';
import { requireKnownAction } from './known-actions.js';
import { buildToolQuestion, type ToolArguments, type ToolQuestion } from './tool-question.js';
import { refuseFailedCall, refuseTool, reportToolSetup, type ToolRefusal } from './tool-refusal.js';
import {
  digestArguments,
  MemoryApprovals,
  setBounded,
  toApprovalKey,
  toClassKey,
  type ApprovalStore,
  type WaitingApproval,
} from './waiting-approvals.js';

/** A call whose arguments and question can be read. */
export interface CheckedCall {
  readonly tool: string;
  readonly args: ToolArguments;
  readonly callId: string | undefined;
  readonly question: ToolQuestion;
}
export type CallDecision =
  { readonly evaluation: Evaluation } | { readonly refusal: ToolRefusal; readonly isWaiting: boolean };

/** The reasons of a deny beside an approval that may still be given, or has not arrived everywhere. */
const STILL_WAITING: readonly string[] = ['approval_unverifiable', 'grant_pending'];
/** The reasons for which an approval is good for no call any more. */
const NO_LONGER_GOOD: readonly string[] = ['approval_unverifiable', 'approval_expired', 'approval_used', 'approval_revoked']; // prettier-ignore
const MAX_TASKS = 1_000;
/** The denies that the model can do nothing about, and neither can people: the request's author has left something out. */
const MISSING_CREDENTIALS: ReadonlyMap<string, string> = new Map([
  ['token_missing', 'the request has no token of the agent (withSubject({ subject, token }, work))'],
  [
    'proof_missing',
    'the token is bound to a key, and comes without a proof (withSubject({ subject, token, proof }, work))',
  ],
]);

/** Guards of one client resume each other's calls. */
interface ClientMemory {
  readonly approvals: ApprovalStore;
  /** The tasks that this process has asked for, by their ids: they tell when there is nothing to wait for any more. */
  readonly tasks: Map<string, AccessRequestTask>;
}
const memories = new WeakMap<ToolClient, ClientMemory>();

export class CallDecider {
  private readonly approvals: ApprovalStore;
  private readonly tasks: Map<string, AccessRequestTask>;

  constructor(
    private readonly client: ToolClient,
    private readonly options: ToolGuardOptions,
  ) {
    const memory = memories.get(client) ?? { approvals: new MemoryApprovals(), tasks: new Map() };
    memories.set(client, memory);
    this.approvals = options.approvals ?? memory.approvals;
    this.tasks = memory.tasks;
  }

  /** Tells whether an approval was asked for the call: it is decided once the framework goes on with it. */
  async isWaiting(call: CheckedCall, { subject }: RequestBinding): Promise<boolean> {
    return (await this.approvals.get(toApprovalKey(subject, call))) !== undefined;
  }

  /** Asks about a call, with its approval where it waits for one; where only an approval is missing, that is asked for. */
  async decide(call: CheckedCall, binding: RequestBinding): Promise<CallDecision> {
    try {
      const key = toApprovalKey(binding.subject, call);
      const approval = await this.approvals.get(key);
      if (approval === undefined) return await this.decideAnew(call, binding, key);
      if (approval.digest !== digestArguments(call.args)) return deny(refuseTool('changed'));
      const evaluation = await this.ask(call, binding, approval);
      if (!isStillWaiting(evaluation)) {
        await this.approvals.delete(key);
        if (evaluation.allowed && approval.isOfClass === true) await this.keepForClass(call, binding, approval);
        return toDecision(evaluation);
      }
      const status = await this.readStatus(approval);
      if (status === 'pending' || status === 'approved') return waitFor(evaluation);
      await this.approvals.delete(key);
      return status === 'expired'
        ? await this.decideAnew(call, binding, key)
        : deny(refuseTool('rejected', evaluation));
    } catch (error) {
      return deny(refuseFailedCall(call.tool, error, this.options));
    }
  }

  private async decideAnew(call: CheckedCall, binding: RequestBinding, key: string): Promise<CallDecision> {
    const evaluation = await this.ask(call, binding, undefined);
    if (evaluation.allowed || evaluation.accessRequest === undefined) return toDecision(evaluation);
    const ofClass = await this.askByClass(call, binding);
    if (ofClass !== undefined) return toDecision(ofClass);
    // Without an answer the deny stands as it is.
    const requested = await this.requestAccess(evaluation, call).catch((error: unknown) => {
      this.options.onError?.(error);
    });
    if (requested === undefined) return toDecision(evaluation);
    const { task, isOfClass } = requested;
    setBounded(this.tasks, task.id, task, MAX_TASKS);
    const { expiresAt } = task.state;
    await this.approvals.set(key, { id: task.id, digest: digestArguments(call.args), expiresAt, isOfClass });
    this.tellRequested(task, call.tool);
    return waitFor(evaluation);
  }

  /** @throws what the option throws; RemitDenied, RemitUnavailable, RemitSetupError */
  private async requestAccess(
    denied: Evaluation,
    { tool, args }: CheckedCall,
  ): Promise<{ readonly task: AccessRequestTask; readonly isOfClass: boolean }> {
    const options = this.options.accessRequest?.(denied, tool, structuredClone(args));
    return {
      task: await this.client.requestAccess(denied, options),
      isOfClass: options?.details !== undefined,
    };
  }

  /**
   * Asks with the approval by which the last call of a class was allowed: whether this call is one of the class is the service's to
   * say. @returns undefined where there is none that is good for it
   */
  private async askByClass(call: CheckedCall, binding: RequestBinding): Promise<Evaluation | undefined> {
    const key = toClassKey(binding.subject, call.tool);
    const approval = await this.approvals.get(key);
    if (approval === undefined) return undefined;
    const evaluation = await this.ask(call, binding, approval);
    if (evaluation.allowed) return evaluation;
    if (evaluation.reasons.some(({ code }) => NO_LONGER_GOOD.includes(code))) await this.approvals.delete(key);
    return undefined;
  }

  /** Keeps an approval for further calls. Its end is the service's to say: what is known of it here is until when it could be given. */
  private async keepForClass(
    { tool }: CheckedCall,
    { subject }: RequestBinding,
    approval: WaitingApproval,
  ): Promise<void> {
    await this.approvals.set(toClassKey(subject, tool), { ...approval, expiresAt: undefined });
  }

  private async ask(
    { tool, question, args }: CheckedCall,
    binding: RequestBinding,
    approval: WaitingApproval | undefined,
  ): Promise<Evaluation> {
    const asked = buildToolQuestion(question, args, binding, approval?.id);
    const evaluation = await this.client.can(asked, { obligations: MASKING_TYPES });
    if (!evaluation.allowed) requireKnownAction(tool, question, evaluation.reasons);
    const detail = evaluation.reasons.map(({ code }) => MISSING_CREDENTIALS.get(code)).find(Boolean);
    if (detail !== undefined) reportToolSetup(tool, new RemitSetupError('options', { detail }), this.options);
    return evaluation;
  }

  /** A task that can't be asked about, or is another process's, may still be answered. */
  private async readStatus({ id }: WaitingApproval): Promise<TaskStatus> {
    const state = await this.tasks
      .get(id)
      ?.refresh()
      .catch((error: unknown) => {
        this.options.onError?.(error);
      });
    return state?.status ?? 'pending';
  }

  private tellRequested(task: AccessRequestTask, tool: string): void {
    const told = new Promise((resolve) => {
      resolve(this.options.onApprovalRequested?.(task, tool));
    });
    told.catch((error: unknown) => this.options.onError?.(error));
  }
}

function isStillWaiting({ allowed, reasons }: Evaluation): boolean {
  return !allowed && reasons.some(({ code }) => STILL_WAITING.includes(code));
}

function waitFor(evaluation: Evaluation): CallDecision {
  return { refusal: refuseTool('approval_required', evaluation), isWaiting: true };
}

function deny(refusal: ToolRefusal): CallDecision {
  return { refusal, isWaiting: false };
}

function toDecision(evaluation: Evaluation): CallDecision {
  if (evaluation.allowed) return { evaluation };
  if (evaluation.isUndecided) return deny(refuseTool('unavailable', evaluation));
  return deny(refuseTool(lacksOnlyConsent(evaluation) ? 'consent_required' : 'denied', evaluation));
}

/** Tells a deny that the user's consent alone would lift: the agent can ask for that. */
function lacksOnlyConsent({ reasons, remedies }: Evaluation): boolean {
  const isOnly = reasons.length > 0 && reasons.every(({ step }) => step === 'consent');
  return isOnly && remedies.some(({ type }) => type === 'consent');
}
