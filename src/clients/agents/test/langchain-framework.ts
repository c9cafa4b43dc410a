import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import { tool, type StructuredTool } from '@langchain/core/tools';
import { Command, MemorySaver } from '@langchain/langgraph';
import { createAgent, fakeModel } from 'langchain';
import { guard } from 'remit-agents/langchain';
import { readResult, toSchema, type AgentOptions, type AgentRun, type Arguments, type Framework } from './framework.js';

interface State {
  readonly messages: readonly BaseMessage[];
  readonly __interrupt__?: readonly unknown[];
}

const makeTools = ({ tools }: AgentOptions): StructuredTool[] =>
  tools.map(
    ({ name, takes, run }) =>
      tool((args: unknown) => run(args as Arguments) as string, {
        name,
        description: name,
        schema: toSchema(takes),
      }) as unknown as StructuredTool,
  );

class LangChainAgent {
  private readonly checkpointer = new MemorySaver();
  private shown: string[] = [];

  constructor(private readonly options: AgentOptions) {}

  async run(input: unknown): Promise<AgentRun> {
    const { calls, client, guard: guardOptions } = this.options;
    const tools = await guard(makeTools(this.options), client, guardOptions);
    const model = fakeModel();
    const isFirst = !(input instanceof Command);
    if (isFirst) {
      model.respondWithTools(calls.map(({ id, tool: name, args }) => ({ name, args: { ...args }, id })));
      this.shown = tools.map(({ name }) => name);
    }
    model.respond(new AIMessage('done'));
    const agent = createAgent({ model, tools, checkpointer: this.checkpointer });
    const state = (await agent.invoke(input as never, { configurable: { thread_id: '1' } })) as State;
    const results: Record<string, unknown> = {};
    for (const message of state.messages)
      if (message.type === 'tool')
        results[(message as unknown as { tool_call_id: string }).tool_call_id] = readResult(message.content);
    return {
      shown: this.shown,
      results,
      isStopped: (state.__interrupt__ ?? []).length > 0,
      resume: (answer, changed) => {
        const [call] = calls;
        const edited = { type: 'edit', editedAction: { name: call?.tool, args: changed } };
        const decision = changed === undefined ? { type: answer } : edited;
        return this.run(new Command({ resume: { decisions: [decision] } }));
      },
    };
  }
}

export const langChainFramework: Framework = {
  name: 'langchain',
  stops: true,
  start: (options) => new LangChainAgent(options).run({ messages: [{ role: 'user', content: 'go on' }] }),
  guardStranger: (client, options) =>
    guard([{ name: 'read_employee', description: '', schema: {}, invoke: () => 'ran' }], client, options),
  guardTwice: (options) => {
    const tools = makeTools(options);
    return guard([...tools, ...tools], options.client, options.guard);
  },
};
