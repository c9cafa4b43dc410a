/** The options of a guard of tools, which are the same for each framework. */
import type {
  AccessRequestOptions,
  AccessRequestTask,
  AgentCredential,
  AskOptions,
  Capability,
  Evaluation,
  Outcome,
  Question,
  Searches,
} from 'remit-client';
import type { ToolArguments, ToolQuestions } from './tool-question.js';
import type { RefusalCode } from './tool-refusal.js';
import type { ApprovalStore } from './waiting-approvals.js';

/** The part of a client that a guard needs. */
export interface ToolClient {
  can(question: Question, options?: AskOptions): Promise<Evaluation>;
  outcome(decisionId: string, outcome: Outcome): Promise<void>;
  capabilities(agent?: AgentCredential): Promise<readonly Capability[]>;
  requestAccess(denied: Evaluation, options?: AccessRequestOptions): Promise<AccessRequestTask>;
  /** Tells an action that the service doesn't know from one that the agent may do on nothing. */
  readonly search?: Pick<Searches, 'resources'>;
}
/** The end of a call, or a step of it. It has nothing of the arguments, the subject or the result. */
export interface ToolEvent {
  readonly tool: string;
  readonly result: 'allowed' | 'waits' | 'refused' | 'executed' | 'failed';
  readonly code?: RefusalCode | undefined;
  readonly decisionId?: string | undefined;
}
export interface ToolGuardOptions {
  readonly question: ToolQuestions;
  /**
   * Whether tools are left out whose action the agent may do on nothing; `true` by default. It takes Remit's list of what the agent
   * may do. A service that has none needs `false`: then all tools are shown, and each call is asked about.
   */
  readonly hides?: boolean;
  /** Told of each approval that was asked for, so that people hear of it. No call waits for it. */
  readonly onApprovalRequested?: (task: AccessRequestTask, tool: string) => unknown;
  /** The options of the request for an approval, such as its `justification`, or the `details` of a class of calls. */
  readonly accessRequest?: (denied: Evaluation, tool: string, args: ToolArguments) => AccessRequestOptions | undefined;
  readonly approvals?: ApprovalStore;
  /** Told of each call, for logs and metrics. */
  readonly onEvent?: (event: ToolEvent) => void;
  /** Told of errors that no result tells. */
  readonly onError?: (error: unknown) => void;
}

/** @throws TypeError where one is missing */
export function requireGuardOptions(client: unknown, options: unknown): void {
  const { question } = (options ?? {}) as { readonly question?: unknown };
  if (typeof (client as Partial<ToolClient> | undefined)?.can !== 'function')
    throw new TypeError('remit: a client is required');
  const isTable = typeof question === 'object' && question !== null && !Array.isArray(question);
  if (typeof question !== 'function' && !isTable) throw new TypeError('remit: the questions of the tools are required');
}
