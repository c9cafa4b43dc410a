/** Guards the tools of the OpenAI Agents SDK: `new Agent({ tools: await guard(tools, client, { question }) })`. */
import { JsonProblem, parseExactJson } from 'remit-client';
import type { ToolClient, ToolGuardOptions } from './guard-options.js';
import { ToolGuard } from './tool-guard.js';

type Invoke = (runContext: unknown, input: string, details?: OpenaiCallDetails) => unknown;
type NeedsApproval = (runContext: unknown, input: unknown, callId?: string) => Promise<boolean>;
interface OpenaiCallDetails {
  readonly toolCall?: { readonly callId?: string };
}
/** The parts of a function tool that are guarded. */
interface OpenaiTool {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly invoke?: unknown;
  readonly needsApproval?: unknown;
}

/** The result that the SDK makes of a tool's error, unless the tool makes its own. */
const ERROR_TEXT = 'An error occurred while running the tool. Please try again.';

/**
 * Guards function tools for the request that it is called in. The arguments that are asked about are those that the model wrote: a
 * default of the tool's schema isn't among them.
 * @returns those that are shown to the agent
 * @throws TypeError for a tool that isn't run here or has no question; RemitDenied, RemitUnavailable, RemitSetupError
 */
export async function guard<T extends object>(
  tools: readonly T[],
  client: ToolClient,
  options: ToolGuardOptions,
): Promise<T[]> {
  const toolGuard = new ToolGuard(client, options);
  const guarded = tools.map((tool) => guardOpenaiTool(toolGuard, tool));
  const shown = await toolGuard.findShown(guarded.map(({ name }) => name));
  return guarded.filter(({ name }) => shown.has(name)).map(({ tool }) => tool);
}

function guardOpenaiTool<T extends object>(toolGuard: ToolGuard, tool: T): { readonly name: string; readonly tool: T } {
  const { type, name, invoke, needsApproval } = tool as OpenaiTool;
  if (
    type !== 'function' ||
    typeof name !== 'string' ||
    typeof invoke !== 'function' ||
    typeof needsApproval !== 'function'
  )
    throw new TypeError(`remit: the tool ${String(name)} isn't run here, so it can't be guarded`);
  const guardedInvoke: Invoke = (runContext, input, details) => {
    const call = { tool: name, args: readInput(input), callId: details?.toolCall?.callId };
    return toolGuard.run(call, () => (invoke as Invoke).call(tool, runContext, input, details), {
      isFailure: (result) => result === ERROR_TEXT,
    });
  };
  const guardedApproval: NeedsApproval = async (runContext, input, callId) =>
    (await (needsApproval as NeedsApproval).call(tool, runContext, input, callId)) ||
    toolGuard.needsApproval({ tool: name, args: input, callId });
  return { name, tool: { ...tool, invoke: guardedInvoke, needsApproval: guardedApproval } };
}

/** @returns what is no object, and so is refused, where the text isn't JSON or would be read in two ways */
function readInput(input: string): unknown {
  if (input === '') return {};
  try {
    return parseExactJson(input);
  } catch (error) {
    if (error instanceof JsonProblem) return input;
    throw error;
  }
}
