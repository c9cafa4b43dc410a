/** Guards the tools of the Vercel AI SDK, versions 6 and 7: `generateText({ tools: await guard(tools, client, { question }) })`. */
import type { ToolClient, ToolGuardOptions } from './guard-options.js';
import { ToolGuard } from './tool-guard.js';
import { cloneArguments } from './tool-question.js';
import { isToolRefusal } from './tool-refusal.js';
import { isPieces, takeLastPiece } from './tool-result.js';

interface AiCallOptions {
  readonly toolCallId?: string;
}
/** The parts of a tool that are guarded, as both versions have them. */
interface AiTool {
  readonly type?: unknown;
  readonly execute?: unknown;
  readonly needsApproval?: boolean | ((input: unknown, options: AiCallOptions) => boolean | PromiseLike<boolean>);
  readonly toModelOutput?: (options: { readonly output?: unknown }) => unknown;
}
type Execute = (input: unknown, options: AiCallOptions) => unknown;

const RUN_HERE: readonly unknown[] = [undefined, 'function', 'dynamic'];
/** Functions of a tool that do nothing with a call's arguments. Others could act before it is asked. */
const KEPT_FUNCTIONS: readonly string[] = ['description', 'inputSchema', 'outputSchema', 'contextSchema'];

/**
 * Guards tools for the request that it is called in.
 * @returns those that are shown to the agent
 * @throws TypeError for a tool that isn't run here or has no question; RemitDenied, RemitUnavailable, RemitSetupError
 */
export async function guard<T extends Readonly<Record<string, object>>>(
  tools: T,
  client: ToolClient,
  options: ToolGuardOptions,
): Promise<T> {
  const toolGuard = new ToolGuard(client, options);
  const guarded = Object.entries(tools).map(([name, tool]) => [name, guardAiTool(toolGuard, name, tool)] as const);
  const shown = await toolGuard.findShown(Object.keys(tools));
  return Object.fromEntries(guarded.filter(([name]) => shown.has(name))) as T;
}

function guardAiTool(toolGuard: ToolGuard, name: string, tool: object): object {
  const { type, execute, needsApproval, toModelOutput } = tool as AiTool;
  if (!RUN_HERE.includes(type) || typeof execute !== 'function')
    throw new TypeError(`remit: the tool ${name} isn't run here, so it can't be guarded`);
  const run = (input: unknown, options: AiCallOptions): Promise<unknown> => {
    const args = cloneArguments(input);
    return toolGuard.run({ tool: name, args, callId: options.toolCallId }, () =>
      (execute as Execute).call(tool, args, options),
    );
  };
  const members = Object.entries(tool).filter(
    ([member, value]) => typeof value !== 'function' || KEPT_FUNCTIONS.includes(member),
  );
  return {
    ...Object.fromEntries(members),
    needsApproval: async (input: unknown, options: AiCallOptions): Promise<boolean> => {
      const isAsked =
        typeof needsApproval === 'function' ? await needsApproval(input, options) : needsApproval === true;
      return isAsked || toolGuard.needsApproval({ tool: name, args: input, callId: options.toolCallId });
    },
    execute: isGeneratorFunction(execute)
      ? async function* (input: unknown, options: AiCallOptions): AsyncGenerator<unknown, void> {
          const result = await run(input, options);
          if (isPieces(result)) yield* result;
          else yield result;
        }
      : async (input: unknown, options: AiCallOptions): Promise<unknown> => takeLastPiece(await run(input, options)),
    ...(toModelOutput === undefined
      ? {}
      : {
          toModelOutput: (result: { readonly output?: unknown }): unknown =>
            isToolRefusal(result.output) ? { type: 'json', value: result.output } : toModelOutput.call(tool, result),
        }),
  };
}

/** The framework takes pieces only of a function that returns them at once. */
function isGeneratorFunction(execute: unknown): boolean {
  return Object.prototype.toString.call(execute) === '[object AsyncGeneratorFunction]';
}
