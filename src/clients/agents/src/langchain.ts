/** Guards the tools of LangChain: `createAgent({ tools: await guard(tools, client, { question }) })`. */
import { DynamicStructuredTool, DynamicTool, StructuredTool, Tool } from '@langchain/core/tools';
import { interrupt, isGraphInterrupt } from '@langchain/langgraph';
import type { ToolClient, ToolGuardOptions } from './guard-options.js';
import { ToolGuard, type ToolCall } from './tool-guard.js';
import { cloneArguments } from './tool-question.js';
import { isToolRefusal } from './tool-refusal.js';
import type { MaskValue, ResultForm } from './tool-result.js';

type RunTool = (args: unknown, runManager: unknown, config: unknown) => unknown;

/** The framework's own ways to a tool. Each of them reads the arguments by the schema and calls `_call`, which is what is guarded. */
const INVOKE: unknown = Reflect.get(StructuredTool.prototype, 'invoke');
const CALLS: readonly unknown[] = [StructuredTool, Tool, DynamicTool, DynamicStructuredTool].map(
  ({ prototype }): unknown => Reflect.get(prototype, 'call'),
);

/**
 * Guards tools for the request that it is called in.
 * @returns those that are shown to the agent
 * @throws TypeError for a tool that can't be guarded, or has no question; RemitDenied, RemitUnavailable, RemitSetupError
 */
export async function guard<T extends object>(
  tools: readonly T[],
  client: ToolClient,
  options: ToolGuardOptions,
): Promise<T[]> {
  const toolGuard = new ToolGuard(client, options);
  const guarded = tools.map((tool) => guardLangChainTool(toolGuard, tool));
  const shown = await toolGuard.findShown(guarded.map(({ name }) => name));
  return guarded.filter(({ name }) => shown.has(name)) as unknown as T[];
}

function guardLangChainTool(toolGuard: ToolGuard, tool: object): StructuredTool {
  if (!(tool instanceof StructuredTool)) throw new TypeError('remit: a tool of an unknown kind can’t be guarded');
  const { name } = tool;
  const run: unknown = Reflect.get(tool, '_call');
  if (typeof run !== 'function' || Reflect.get(tool, 'invoke') !== INVOKE || !CALLS.includes(Reflect.get(tool, 'call')))
    throw new TypeError(`remit: the tool ${name} is called in a way of its own, so it can't be guarded`);
  const guarded: RunTool = async (original, runManager, config) => {
    const args = typeof original === 'string' ? original : cloneArguments(original);
    const call = { tool: name, args: toNamedArguments(args), callId: readCallId(config) };
    const hasArtifact = tool.responseFormat === 'content_and_artifact';
    const execute = (): unknown => (run as RunTool).call(tool, args, runManager, config);
    const result = await runGuarded(toolGuard, call, execute, hasArtifact ? { maskParts: maskBoth } : {});
    if (!isToolRefusal(result)) return result;
    const text = JSON.stringify(result);
    return hasArtifact ? [text, result] : text;
  };
  // All else is the tool's own: its name, schema, callbacks and format.
  return Object.create(tool, { _call: { value: guarded } }) as StructuredTool;
}

/** Masks a content and its artifact, each as a result of its own. @throws TypeError where the result is no such pair */
function maskBoth(result: unknown, mask: MaskValue): unknown {
  if (!Array.isArray(result) || result.length !== 2) throw new TypeError('the result is no content with its artifact');
  return result.map((part: unknown) => (part === undefined || part === null ? part : mask(part)));
}

async function runGuarded(
  toolGuard: ToolGuard,
  call: ToolCall,
  execute: () => unknown,
  form: ResultForm,
): Promise<unknown> {
  if (!(await toolGuard.needsApproval(call))) return toolGuard.run(call, execute, form);
  let answer: unknown;
  try {
    answer = interrupt(toApprovalRequest(call));
  } catch (error) {
    if (isGraphInterrupt(error)) throw error;
    // Outside of a graph, or of one that keeps no state, nothing stops and is resumed.
    return toolGuard.run(call, execute, form);
  }
  return isApproval(answer) ? toolGuard.run(call, execute, form) : toolGuard.refuse(call.tool, 'rejected');
}

/** The form of LangChain's own middleware for approvals, so that what shows its requests shows these. */
function toApprovalRequest({ tool, args }: ToolCall): object {
  const description = 'This needs an approval.';
  return {
    actionRequests: [{ name: tool, args, description }],
    reviewConfigs: [{ actionName: tool, allowedDecisions: ['approve', 'reject'] }],
  };
}

/** Edited arguments are no approval: they are another call. */
function isApproval(answer: unknown): boolean {
  const { decisions } = (answer ?? {}) as { readonly decisions?: unknown };
  if (!Array.isArray(decisions) || decisions.length !== 1) return false;
  const [decision] = decisions as readonly unknown[];
  return (decision as { readonly type?: unknown } | null)?.type === 'approve';
}

/** A tool that takes a text has it under the name that LangChain's schema for such tools gives it. */
function toNamedArguments(args: unknown): unknown {
  return typeof args === 'string' ? { input: args } : args;
}

function readCallId(config: unknown): string | undefined {
  const { toolCall } = (config ?? {}) as { readonly toolCall?: { readonly id?: unknown } };
  return typeof toolCall?.id === 'string' ? toolCall.id : undefined;
}
