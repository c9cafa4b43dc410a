/** Guards the tools of an MCP server where its client calls them: `const { listTools, callTool } = guard(mcpClient, client, { question })`. */
import type { ToolClient, ToolGuardOptions } from './guard-options.js';
import { ToolGuard } from './tool-guard.js';
import { isToolRefusal } from './tool-refusal.js';
import type { MaskValue, ResultForm } from './tool-result.js';

export interface McpToolList {
  readonly tools: readonly { readonly name: string }[];
}
export interface McpCallParams {
  name: string;
  arguments?: Record<string, unknown>;
}
export interface McpResult {
  readonly content: readonly { readonly type: string; readonly [member: string]: unknown }[];
  readonly structuredContent?: Readonly<Record<string, unknown>>;
  readonly isError?: boolean;
  readonly [member: string]: unknown;
}
/** The part of the official client that is guarded. The guarded client does this, and nothing else. */
export interface McpTools<L extends McpToolList, R extends object = object> {
  /** Guarded, it lists what is shown to the agent. @throws RemitDenied, RemitUnavailable, RemitSetupError, what the client throws */
  readonly listTools: (params?: { cursor?: string }) => Promise<L>;
  /**
   * Guarded, it calls a tool where it may be called. A refusal is a result with `isError`. MCP's clients have no approvals of
   * their own: a call that waits for one is refused, and the same call is made again once it is given.
   * @throws what the client throws
   */
  readonly callTool: (params: McpCallParams) => Promise<R>;
}

const FORM: ResultForm = {
  isFailure: (result) => (result as Partial<McpResult>).isError === true,
  maskParts: maskMcpResult,
};

/** @throws TypeError where an option is missing */
export function guard<L extends McpToolList>(
  mcp: McpTools<L>,
  client: ToolClient,
  options: ToolGuardOptions,
): McpTools<L, McpResult> {
  const toolGuard = new ToolGuard(client, options);
  return {
    listTools: async (params) => {
      const list = await mcp.listTools(params);
      const shown = await toolGuard.findShown(list.tools.map(({ name }) => name));
      return { ...list, tools: list.tools.filter(({ name }) => shown.has(name)) };
    },
    callTool: async ({ name, arguments: original = {} }) => {
      const args = structuredClone(original);
      // Nothing but these two goes on: a task would answer later, and its result would not be masked.
      const result = await toolGuard.run({ tool: name, args }, () => mcp.callTool({ name, arguments: args }), FORM);
      return isToolRefusal(result)
        ? { content: [{ type: 'text', text: JSON.stringify(result) }], isError: true }
        : (result as McpResult);
    },
  };
}

/** Masks texts and what is structured. Other parts, such as images and files, can't be masked. */
function maskMcpResult(result: unknown, mask: MaskValue): McpResult {
  const { content = [], structuredContent, isError } = result as Partial<McpResult>;
  return {
    content: content.map(({ type, text }) => {
      if (type !== 'text' || typeof text !== 'string') throw new TypeError('the part can not be masked');
      return { type, text: mask(text) };
    }),
    ...(structuredContent === undefined ? {} : { structuredContent: maskStructured(structuredContent, mask) }),
    ...(isError === undefined ? {} : { isError }),
  };
}

/** Servers that return a bare value have it as `result`, since what is structured is an object. It is masked as the value it is. */
function maskStructured(
  content: Readonly<Record<string, unknown>>,
  mask: MaskValue,
): Readonly<Record<string, unknown>> {
  const { result, ...others } = content;
  if (result !== undefined && result !== null && Object.keys(others).length === 0) return { result: mask(result) };
  return mask(content) as Readonly<Record<string, unknown>>;
}
