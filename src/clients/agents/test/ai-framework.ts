import * as six from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import * as seven from 'ai7';
import { MockLanguageModelV4 } from 'ai7/test';
import { guard } from 'remit-agents/ai';
import { readResult, toSchema, type AgentOptions, type AgentRun, type Arguments, type Framework } from './framework.js';

/** The parts of the SDK that are alike in both versions. */
interface Sdk {
  generateText(options: object): Promise<{
    readonly content: readonly { readonly type: string; readonly approvalId?: string }[];
    readonly response: { readonly messages: readonly Message[] };
  }>;
  jsonSchema(schema: object): object;
  stepCountIs(count: number): unknown;
}
interface Message {
  readonly role: string;
  readonly content: unknown;
}
interface PromptOptions {
  readonly prompt: readonly Message[];
  readonly tools?: readonly { readonly name: string }[];
}
type Model = new (options: object) => object;

const USAGE = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const finish = (reason: string) => ({ finishReason: { unified: reason, raw: reason }, usage: USAGE, warnings: [] });

class AiAgent {
  private readonly prompts: PromptOptions[] = [];

  constructor(
    private readonly sdk: Sdk,
    private readonly model: Model,
    private readonly options: AgentOptions,
  ) {}

  async run(messages: readonly Message[]): Promise<AgentRun> {
    const { tools, calls, client, guard: guardOptions } = this.options;
    const set = Object.fromEntries(
      tools.map(({ name, takes, run }) => [
        name,
        {
          description: name,
          inputSchema: this.sdk.jsonSchema(toSchema(takes)),
          execute: (args: Arguments) => run(args),
        },
      ]),
    );
    const model = new this.model({
      doGenerate: (options: PromptOptions) => {
        this.prompts.push(options);
        const isFirst = !options.prompt.some(({ role }) => role === 'assistant');
        const said = calls.map(({ id, tool, args }) => ({ type: 'tool-call', toolCallId: id, toolName: tool, input: JSON.stringify(args) })); // prettier-ignore
        return Promise.resolve(
          isFirst
            ? { content: said, ...finish('tool-calls') }
            : { content: [{ type: 'text', text: 'done' }], ...finish('stop') },
        );
      },
    });
    const guarded = await guard(set, client, guardOptions);
    const { content, response } = await this.sdk.generateText({
      model,
      tools: guarded,
      messages,
      stopWhen: this.sdk.stepCountIs(5),
    });
    const waiting = content.flatMap(({ type, approvalId }) => (type === 'tool-approval-request' ? [approvalId] : []));
    return {
      shown: this.prompts[0]?.tools?.map(({ name }) => name) ?? [],
      results: this.readResults(),
      isStopped: waiting.length > 0,
      resume: (answer, changed) => {
        const answers = waiting.map((approvalId) => ({ type: 'tool-approval-response', approvalId, approved: answer === 'approve' })); // prettier-ignore
        // The messages come back from a browser, which may have changed them.
        const history = [...messages, ...response.messages, { role: 'tool', content: answers }];
        return this.run(changed === undefined ? history : changeInputs(history, changed));
      },
    };
  }

  private readResults(): Record<string, unknown> {
    const results: Record<string, unknown> = {};
    for (const { role, content } of this.prompts.at(-1)?.prompt ?? [])
      if (role === 'tool')
        for (const part of content as { type: string; toolCallId: string; output: Record<string, unknown> }[])
          if (part.type === 'tool-result')
            results[part.toolCallId] = readResult(part.output['value'] ?? part.output['type']);
    return results;
  }
}

function changeInputs(messages: readonly Message[], input: Arguments): Message[] {
  return JSON.parse(JSON.stringify(messages), (_name, value: unknown) => {
    const part = value as { type?: unknown } | null;
    return part?.type === 'tool-call' ? { ...part, input } : value;
  }) as Message[];
}

const createAiFramework = (name: string, sdk: unknown, model: unknown): Framework => ({
  name,
  stops: true,
  start: (options) => new AiAgent(sdk as Sdk, model as Model, options).run([{ role: 'user', content: 'go on' }]),
  guardStranger: (client, options) =>
    guard({ read_employee: { type: 'provider', id: 'x.search', args: {} } }, client, options),
});
export const ai6Framework = createAiFramework('ai 6', six, MockLanguageModelV3);
export const ai7Framework = createAiFramework(
  'ai 7',
  { ...seven, stepCountIs: seven.isStepCount },
  MockLanguageModelV4,
);
