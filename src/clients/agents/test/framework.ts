/** One agent, built with each framework: its model says the calls that a test gives it, and then nothing more. */
import type { ToolClient, ToolGuardOptions } from 'remit-agents';

export type Arguments = Readonly<Record<string, unknown>>;
export interface TestTool {
  readonly name: string;
  /** The names of its arguments, which are texts. */
  readonly takes: readonly string[];
  readonly run: (args: Arguments) => unknown;
}
export interface ModelCall {
  readonly id: string;
  readonly tool: string;
  readonly args: Arguments;
}
export interface AgentOptions {
  readonly tools: readonly TestTool[];
  /** The calls that the model makes at once. */
  readonly calls: readonly ModelCall[];
  readonly client: ToolClient;
  readonly guard: ToolGuardOptions;
}
/** The state of an agent that has ended or stopped. */
export interface AgentRun {
  /** The tools that the model was told of. */
  readonly shown: readonly string[];
  /** The results that the model has read, by the id of the call; a text that is JSON is what it says. */
  readonly results: Readonly<Record<string, unknown>>;
  readonly isStopped: boolean;
  /** Goes on in another process: with tools that are guarded anew. `changed` are other arguments than the model's. */
  readonly resume: (answer: 'approve' | 'reject', changed?: Arguments) => Promise<AgentRun>;
}
export interface Framework {
  readonly name: string;
  /** Whether it has approvals of its own, with which a run stops. */
  readonly stops: boolean;
  readonly start: (options: AgentOptions) => Promise<AgentRun>;
  /** Guards something that can't be guarded. @throws TypeError */
  readonly guardStranger: (client: ToolClient, guard: ToolGuardOptions) => Promise<unknown>;
  /** Guards two tools of one name, where the framework can have them. @throws TypeError */
  readonly guardTwice?: (options: AgentOptions) => Promise<unknown>;
}

export function readResult(text: unknown): unknown {
  if (typeof text !== 'string') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export const toSchema = (names: readonly string[]) => ({
  type: 'object' as const,
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  required: [...names],
  additionalProperties: false as const,
});
