import { Agent, run, RunState, setTracingDisabled, tool, webSearchTool, type FunctionTool } from '@openai/agents';
import { assistantMessage, functionCall, modelResponse, ScriptedModel } from '@openai/agents/testing';
import { guard } from 'remit-agents/openai';
import { readResult, toSchema, type AgentOptions, type AgentRun, type Arguments, type Framework } from './framework.js';

setTracingDisabled(true);

const makeTools = ({ tools }: AgentOptions): FunctionTool[] =>
  tools.map(
    ({ name, takes, run: execute }) =>
      tool({
        name,
        description: name,
        parameters: toSchema(takes),
        strict: true,
        execute: (args: unknown) => execute(args as Arguments),
      }) as unknown as FunctionTool,
  );

class OpenaiAgent {
  private shown: readonly string[] = [];

  constructor(private readonly options: AgentOptions) {}

  async run(state?: string): Promise<AgentRun> {
    const { calls, client, guard: guardOptions } = this.options;
    const said = calls.map(({ id, tool: name, args }) => functionCall(name, { ...args }, { callId: id }));
    const last = modelResponse([assistantMessage('done')]);
    const model = new ScriptedModel(state === undefined ? [modelResponse(said), last] : [last]);
    const tools = await guard(makeTools(this.options), client, guardOptions);
    const agent = new Agent({ name: 'agent', model, tools });
    const result =
      state === undefined ? await run(agent, 'go on') : await run(agent, await RunState.fromString(agent, state));
    if (state === undefined) this.shown = model.calls[0]?.request.tools.flatMap((entry) => ('name' in entry ? [entry.name] : [])) ?? []; // prettier-ignore
    const results: Record<string, unknown> = {};
    for (const item of result.history)
      if (item.type === 'function_call_result') results[item.callId] = readOutput(item.output);
    return {
      shown: this.shown,
      results,
      isStopped: result.interruptions.length > 0,
      resume: (answer, changed) => {
        for (const item of result.interruptions) {
          if (answer === 'approve') result.state.approve(item);
          else result.state.reject(item);
        }
        // The state is kept in between, and may have been changed.
        const text = result.state.toString();
        return this.run(changed === undefined ? text : changeCalls(text, changed));
      },
    };
  }
}

function readOutput(output: unknown): unknown {
  const { text } = (output ?? {}) as { readonly text?: unknown };
  return readResult(text ?? output);
}

function changeCalls(state: string, args: Arguments): string {
  const changed: unknown = JSON.parse(state, (_name, value: unknown) => {
    const item = value as { type?: unknown } | null;
    return item?.type === 'function_call' ? { ...item, arguments: JSON.stringify(args) } : value;
  });
  return JSON.stringify(changed);
}

export const openaiFramework: Framework = {
  name: 'openai',
  stops: true,
  start: (options) => new OpenaiAgent(options).run(),
  guardStranger: (client, options) => guard([webSearchTool()], client, options),
  guardTwice: (options) => {
    const tools = makeTools(options);
    return guard([...tools, ...tools], options.client, options.guard);
  },
};
