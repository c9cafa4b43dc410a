/** The adapters' common part: which tools are shown, and whether a call of one stops for an approval, runs, or is refused. */
import { isDeepStrictEqual } from 'node:util';
import type { Capability, Evaluation } from 'remit-client';
import { CallDecider, type CallDecision, type CheckedCall } from './call-decision.js';
import { requireKnownActions } from './known-actions.js';
import { requireGuardOptions, type ToolClient, type ToolEvent, type ToolGuardOptions } from './guard-options.js';
import { getRequestBinding, toCredential, type RequestBinding } from './request-binding.js';
import { copyArguments, findToolQuestion, type ToolQuestion } from './tool-question.js';
import { refuseFailedCall, refuseTool, reportToolSetup, type RefusalCode, type ToolRefusal } from './tool-refusal.js';
import { createResultMask, hideError, isPieces, mapPieces, type ResultForm } from './tool-result.js';
import { setBounded } from './waiting-approvals.js';

export interface ToolCall {
  readonly tool: string;
  readonly args: unknown;
  /** The framework's id of the call; where it has none, equal calls are one. */
  readonly callId?: string | undefined;
}
interface PreparedCall {
  readonly call: CheckedCall;
  readonly binding: RequestBinding;
  readonly decision: CallDecision;
}

const MAX_PREPARED = 1_000;

export class ToolGuard {
  private readonly decider: CallDecider;
  private readonly prepared = new Map<string, PreparedCall>();

  /** @throws TypeError where an option is missing */
  constructor(
    private readonly client: ToolClient,
    private readonly options: ToolGuardOptions,
  ) {
    requireGuardOptions(client, options);
    this.decider = new CallDecider(client, options);
  }

  /**
   * Finds the tools that are shown to the agent: each has a question, and the agent may do its action on something.
   * @throws TypeError where two have one name, or outside of a request; RemitDenied where the request's token or its agent is
   * refused; RemitSetupError, also for an action that the service doesn't know; RemitUnavailable
   */
  async findShown(names: readonly string[]): Promise<ReadonlySet<string>> {
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new TypeError(`remit: two tools are called ${twice}`);
    const questions = names.flatMap((name) => {
      const question = findToolQuestion(this.options.question, name);
      return question === undefined ? [] : [[name, question] as const];
    });
    if (this.options.hides === false) return new Set(questions.map(([name]) => name));
    const binding = getRequestBinding();
    if (binding === undefined) throw new TypeError('remit: tools are guarded within a request (withSubject)');
    const capabilities = await this.client.capabilities(toCredential(binding));
    const tools = questions.map((tool) => ({ tool, capability: findCapability(capabilities, tool[1]) }));
    const absent = tools.flatMap(({ tool, capability }) => (capability === undefined ? [tool] : []));
    await requireKnownActions(absent, binding, this.client, this.options.onError);
    const shown = tools.filter(({ capability }) => capability !== undefined && !needsOtherToken(capability));
    return new Set(shown.map(({ tool: [name] }) => name));
  }

  /**
   * Asks about a call, and keeps the answer for `run`. Where only an approval is missing, that is asked for.
   * @returns whether the framework has to stop for an approval, after which `run` asks again
   */
  async needsApproval(call: ToolCall): Promise<boolean> {
    const binding = getRequestBinding();
    const checked = this.check(call);
    // The refusal is what `run` answers.
    if (binding === undefined || 'refused' in checked) return false;
    // A store that can't be asked is met again by the decision, which then refuses.
    if (await this.decider.isWaiting(checked, binding).catch(() => false)) return true;
    const decision = await this.decider.decide(checked, binding);
    if ('refusal' in decision && decision.isWaiting) {
      this.tell({ tool: call.tool, result: 'waits', decisionId: decision.refusal.decision });
      return true;
    }
    this.prepare({ call: checked, binding, decision });
    return false;
  }

  /**
   * Runs the tool where it may be run, and masks its result.
   * @returns the result, or the refusal. @throws what the tool throws
   */
  async run(call: ToolCall, execute: () => unknown, form: ResultForm = {}): Promise<unknown> {
    const binding = getRequestBinding();
    const checked = this.check(call);
    if (binding === undefined) {
      const error = new TypeError(
        'remit: it is called outside of a request (withSubject), so it is not known who asks',
      );
      reportToolSetup(call.tool, error, this.options);
      return this.refuse(call.tool, 'unbound');
    }
    if ('refused' in checked) return this.tellRefusal(call.tool, checked);
    const decision = this.takePrepared(checked, binding) ?? (await this.decider.decide(checked, binding));
    if ('refusal' in decision) return this.tellRefusal(call.tool, decision.refusal);
    this.tell({ tool: call.tool, result: 'allowed', decisionId: decision.evaluation.id });
    return this.execute(call.tool, decision.evaluation, execute, form);
  }

  /** Refuses a call for a reason of the framework's. */
  refuse(tool: string, code: RefusalCode): ToolRefusal {
    return this.tellRefusal(tool, refuseTool(code));
  }

  private check({ tool, args, callId }: ToolCall): CheckedCall | ToolRefusal {
    try {
      const question = findToolQuestion(this.options.question, tool);
      return question === undefined
        ? refuseTool('unknown_tool')
        : { tool, args: copyArguments(args), callId, question };
    } catch (error) {
      return refuseFailedCall(tool, error, this.options);
    }
  }

  private prepare(prepared: PreparedCall): void {
    const { callId } = prepared.call;
    if (callId !== undefined) setBounded(this.prepared, callId, prepared, MAX_PREPARED);
  }

  /** An answer counts once, for the call that was asked about, and within its request. */
  private takePrepared({ tool, args, callId = '' }: CheckedCall, binding: RequestBinding): CallDecision | undefined {
    const prepared = this.prepared.get(callId);
    this.prepared.delete(callId);
    if (prepared?.binding !== binding || prepared.call.tool !== tool) return undefined;
    return isDeepStrictEqual(prepared.call.args, args) ? prepared.decision : undefined;
  }

  private async execute(
    tool: string,
    evaluation: Evaluation,
    execute: () => unknown,
    form: ResultForm,
  ): Promise<unknown> {
    const mask = createResultMask(evaluation, form);
    const report = (outcome: 'executed' | 'failed'): void => {
      this.report(tool, evaluation, outcome);
    };
    let result: unknown;
    try {
      result = await execute();
    } catch (error) {
      report('failed');
      throw hideError(error, mask !== undefined);
    }
    if (isPieces(result)) return mapPieces(result, mask, report);
    report(form.isFailure?.(result) === true ? 'failed' : 'executed');
    return mask === undefined ? result : mask(result);
  }

  /** Tells what came of a decision. A report that fails changes no result. */
  private report(tool: string, { id, isCached }: Evaluation, outcome: 'executed' | 'failed'): void {
    this.tell({ tool, result: outcome, decisionId: id });
    if (id === undefined || isCached) return;
    this.client.outcome(id, { outcome }).catch((error: unknown) => this.options.onError?.(error));
  }

  private tellRefusal(tool: string, refusal: ToolRefusal): ToolRefusal {
    this.tell({ tool, result: 'refused', code: refusal.code, decisionId: refusal.decision });
    return refusal;
  }

  private tell(event: ToolEvent): void {
    try {
      this.options.onEvent?.(event);
    } catch (error) {
      // A hook that fails changes no decision.
      this.options.onError?.(error);
    }
  }
}

type ActionCapability = Capability['actions'][number];

function findCapability(
  capabilities: readonly Capability[],
  { action, resource }: ToolQuestion,
): ActionCapability | undefined {
  return capabilities
    .filter((entry) => entry.resource_type === resource.type)
    .flatMap(({ actions }) => actions)
    .find(({ name }) => name === action);
}

/** An action that lacks a scope is one that no answer of the user, or of others, makes possible with this token. */
function needsOtherToken({ remedies }: ActionCapability): boolean {
  return remedies.some((remedy) => 'type' in remedy && remedy.type === 'scope');
}
