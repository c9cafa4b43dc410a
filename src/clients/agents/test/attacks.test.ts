/** Ways around a guard, of one framework each, and laws of the parts that all share. */
import { ToolMessage } from '@langchain/core/messages';
import { tool as langChainTool, type StructuredTool } from '@langchain/core/tools';
import { Command } from '@langchain/langgraph';
import * as ai from 'ai';
import fc from 'fast-check';
import { createClient, type Evaluation } from 'remit-client';
import { isToolRefusal, withSubject, type ToolClient, type ToolEvent, type ToolGuardOptions } from 'remit-agents';
import { guard as guardAi } from 'remit-agents/ai';
import { guard as guardLangChain } from 'remit-agents/langchain';
import { guard as guardMcp } from 'remit-agents/mcp';
import { guard as guardOpenai } from 'remit-agents/openai';
import { tool as openaiTool } from '@openai/agents';
import { afterAll, afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';

const { url, key, tokens } = inject('service');
const client = createClient({ url, key, timeoutMs: 20_000, obligations: { notification: () => undefined } });
const RECORD = { id: 'erin', name: 'Erin', salary: 125_000, ssn: '000-12-3456' };
const MASKED = { id: 'erin', name: 'Erin' };
const read = { action: 'read', resource: { type: 'employee', id: ({ id }: { id?: unknown }) => id } };
const merge = { action: 'merge', resource: { type: 'repository', id: 'payments-api' } };
const options: ToolGuardOptions = { question: { read, merge }, hides: false };
const asAlice = <T>(work: () => T): T =>
  withSubject({ subject: { type: 'user', id: 'alice' }, token: tokens.reader }, work);
const asCarol = <T>(work: () => T): T =>
  withSubject({ subject: { type: 'user', id: 'carol' }, token: tokens.coder }, work);
const inputSchema = ai.jsonSchema({ type: 'object' });
/** A guarded tool's functions, as the framework calls them. */
interface GuardedTool {
  readonly execute: (...args: unknown[]) => Promise<unknown>;
  readonly needsApproval: (...args: unknown[]) => Promise<boolean>;
}
const executeOf = (tool: unknown): GuardedTool['execute'] => (tool as GuardedTool).execute;
const needsOf = (tool: unknown): GuardedTool['needsApproval'] => (tool as GuardedTool).needsApproval;
const call = (id: string) => ({ toolCallId: id, messages: [] });

describe('the AI SDK', () => {
  it('runs no hook of a tool before its call is asked about', async () => {
    const hook = vi.fn();
    const tool = { inputSchema, execute: () => RECORD, onInputStart: hook, onInputDelta: hook, onInputAvailable: hook };
    const guarded = await guardAi({ read: tool }, client, options);
    expect(Object.keys(guarded.read).sort()).toEqual(['execute', 'inputSchema', 'needsApproval']);
  });

  it('runs with what was asked about, whatever becomes of the arguments meanwhile', async () => {
    const ran: unknown[] = [];
    const tool = { inputSchema, execute: (input: object) => (ran.push(input), RECORD) };
    const guarded = await guardAi({ read: tool }, client, options);
    const changing = { id: 'erin' };
    const running = asAlice(() => executeOf(guarded.read)(changing, call('1')));
    changing.id = 'zoe';
    expect(await running).toEqual(MASKED);
    let reads = 0;
    const twoFaced = Object.defineProperty({}, 'id', {
      enumerable: true,
      get: () => ((reads += 1) > 2 ? 'zoe' : 'erin'),
    });
    await asAlice(() => executeOf(guarded.read)(twoFaced, call('2')));
    expect(ran).toEqual([{ id: 'erin' }, { id: 'erin' }]);
    // A proxy can't be copied, so it says nothing that could be held to.
    const unclear = await asAlice(() => executeOf(guarded.read)(new Proxy({ id: 'erin' }, {}), call('3')));
    expect([isToolRefusal(unclear), ran.length]).toEqual([true, 2]);
  });

  it('masks each piece of a result, and tells the outcome at its end', async () => {
    const events: ToolEvent[] = [];
    const tool = {
      inputSchema,
      execute: async function* () {
        yield { ...RECORD, part: 1 };
        yield RECORD;
      },
    };
    const guarded = await guardAi({ read: tool }, client, { ...options, onEvent: (event) => events.push(event) });
    const pieces: unknown[] = [];
    await asAlice(async () => {
      for await (const piece of (guarded.read.execute as (...args: unknown[]) => AsyncIterable<unknown>)(
        { id: 'erin' },
        call('1'),
      )) {
        // prettier-ignore
        pieces.push(piece);
        expect(events.map(({ result }) => result)).toEqual(['allowed']);
      }
    });
    expect(pieces).toEqual([{ ...MASKED, part: 1 }, MASKED]);
    expect(events.map(({ result }) => result)).toEqual(['allowed', 'executed']);
  });

  it('masks pieces that a plain function returns, of which the last is the result', async () => {
    const pieces = async function* () {
      yield { salary: 1 };
      yield RECORD;
    };
    const guarded = await guardAi({ read: { inputSchema, execute: () => pieces() } }, client, options);
    const run = executeOf(guarded.read);
    expect(await asAlice(() => run({ id: 'erin' }, call('1')))).toEqual(MASKED);
  });

  it('gives no refusal to a tool’s own way of telling results', async () => {
    const toModelOutput = vi.fn(() => ({ type: 'text', value: 'told' }));
    const guarded = await guardAi({ read: { inputSchema, execute: () => RECORD, toModelOutput } }, client, options);
    const tell = guarded.read.toModelOutput as unknown as (result: object) => unknown;
    const run = executeOf(guarded.read);
    const output: unknown = await asAlice(() => run({ id: 'grace' }, call('1')));
    expect(isToolRefusal(output)).toBe(true);
    const later: unknown = JSON.parse(JSON.stringify(output));
    expect(tell({ output: later })).toEqual({ type: 'json', value: output });
    expect(toModelOutput).not.toHaveBeenCalled();
    expect(tell({ output: MASKED })).toEqual({ type: 'text', value: 'told' });
  });

  it('keeps a tool’s own need of approval, which allows nothing', async () => {
    const tool = { inputSchema, execute: () => RECORD, needsApproval: true };
    const guarded = await guardAi({ read: tool }, client, options);
    const needs = needsOf(guarded.read);
    const run = executeOf(guarded.read);
    expect(await asAlice(() => needs({ id: 'grace' }, call('1')))).toBe(true);
    expect(await asAlice(() => run({ id: 'grace' }, call('1')))).toMatchObject({ code: 'denied' });
  });

  it('refuses other arguments than those that an approval was asked for, also where they need none', async () => {
    const guarded = await guardAi({ merge: { inputSchema, execute: () => 'merged' } }, client, options);
    const id = crypto.randomUUID();
    expect(await asCarol(() => needsOf(guarded.merge)({ branch: 'main' }, call(id)))).toBe(true);
    const changed = await asCarol(() => executeOf(guarded.merge)({ branch: 'mine' }, call(id)));
    expect(changed).toMatchObject({ refused: true, code: 'changed' });
  });

  it('takes no answer for another call: not for other arguments, another request, or a second time', async () => {
    const can = vi.fn(client.can.bind(client));
    const counting = Object.assign(Object.create(client) as ToolClient, { can });
    const guarded = await guardAi({ read: { inputSchema, execute: () => RECORD } }, counting, options);
    const needs = needsOf(guarded.read);
    const run = executeOf(guarded.read);
    await asAlice(async () => {
      expect(await needs({ id: 'erin' }, call('1'))).toBe(false);
      expect(await run({ id: 'grace' }, call('1'))).toMatchObject({ code: 'denied' });
      expect(await needs({ id: 'erin' }, call('1'))).toBe(false);
      expect(await run({ id: 'erin' }, call('1'))).toEqual(MASKED);
      expect(can).toHaveBeenCalledTimes(3);
      await run({ id: 'erin' }, call('1'));
      expect(can).toHaveBeenCalledTimes(4);
      await needs({ id: 'erin' }, call('1'));
    });
    expect(await asCarol(() => run({ id: 'erin' }, call('1')))).toMatchObject({ code: 'denied' });
    expect(can).toHaveBeenCalledTimes(6);
  });
});

describe('LangChain', () => {
  const schema = z.object({ id: z.string() });
  it('refuses a tool that is called in a way of its own', async () => {
    for (const way of ['invoke', 'call'] as const) {
      const tool = langChainTool(() => 'x', { name: 'read', schema });
      Object.assign(tool, { [way]: () => 'ran' });
      await expect(guardLangChain([tool], client, options)).rejects.toThrow(/a way of its own/);
    }
  });

  it('asks about what the schema has made of the arguments', async () => {
    const ran = vi.fn(() => RECORD);
    const withDefault = z.object({ id: z.string().default('grace') });
    const [tool] = await guardLangChain([langChainTool(ran, { name: 'read', schema: withDefault })], client, options);
    expect(JSON.stringify(await asAlice(() => tool?.invoke({})))).toContain('denied');
    expect(ran).not.toHaveBeenCalled();
  });

  it('masks a content with its artifact, and refuses in that form', async () => {
    const tool = langChainTool(() => [JSON.stringify(RECORD), RECORD], { name: 'read', schema, responseFormat: 'content_and_artifact' }); // prettier-ignore
    const [guarded] = await guardLangChain([tool], client, options);
    const invoke = (id: string): Promise<unknown> =>
      asAlice(() => guarded?.invoke({ type: 'tool_call', id: '1', name: 'read', args: { id } })) as Promise<unknown>;
    expect(await invoke('erin')).toMatchObject({ content: JSON.stringify(MASKED), artifact: MASKED });
    expect(await invoke('grace')).toMatchObject({ content: expect.stringContaining('"refused":true') as string });
  });

  it.each<[string, unknown]>([
    ['a content that is plain text', ['Erin earns 125000', { name: 'Erin' }]],
    ['an artifact that is plain text', ['{}', 'Erin earns 125000']],
    ['an artifact of rows', ['{}', [['Erin', 125_000]]]],
    ['a part of a message', [[{ type: 'input_text', text: 'Erin earns 125000' }], null]],
  ])('does not show %s', async (_name, result) => {
    const tool = langChainTool(() => result, { name: 'read', schema, responseFormat: 'content_and_artifact' }) as unknown as StructuredTool; // prettier-ignore
    const [guarded] = await guardLangChain([tool], client, options);
    const shown: unknown = await asAlice(() => guarded?.invoke({ type: 'tool_call', id: '1', name: 'read', args: { id: 'erin' } })); // prettier-ignore
    expect(JSON.stringify(shown)).toContain('not_shown');
    expect(JSON.stringify(shown)).not.toMatch(/125[_,.]?000/);
  });

  it.each<[string, () => unknown]>([
    ['a message', () => new ToolMessage({ content: 'Erin earns 125000', tool_call_id: '1' })],
    ['a command', () => new Command({ update: { messages: [new ToolMessage({ content: 'Erin earns 125000', tool_call_id: '1' })] } })], // prettier-ignore
    ['a list of messages', () => [new ToolMessage({ content: 'Erin earns 125000', tool_call_id: '1' })]],
  ])('does not show %s', async (_name, result) => {
    const tool = langChainTool(() => result() as string, { name: 'read', schema });
    const [guarded] = await guardLangChain([tool], client, options);
    const shown = await asAlice(() => guarded?.invoke({ id: 'erin' }));
    expect(JSON.stringify(shown)).toContain('not_shown');
    expect(JSON.stringify(shown)).not.toMatch(/125[_,.]?000/);
  });

  it('refuses what waits for an approval where nothing can be stopped', async () => {
    const ran = vi.fn(() => 'merged');
    const [tool] = await guardLangChain([langChainTool(ran, { name: 'merge', schema: z.object({ branch: z.string() }) })], client, options); // prettier-ignore
    const result = await asCarol(() => tool?.invoke({ type: 'tool_call', id: crypto.randomUUID(), name: 'merge', args: { branch: 'main' } })); // prettier-ignore
    expect(JSON.stringify(result)).toContain('approval_required');
    expect(ran).not.toHaveBeenCalled();
  });
});

describe('the OpenAI Agents SDK', () => {
  it.each(['{"id":"erin","id":"grace"}', '{"id":"erin","\\u0069d":"grace"}', '{"id":', '["erin"]', '"erin"'])(
    'runs nothing for arguments that could be read in two ways, or are none: %s',
    async (text) => {
      const ran = vi.fn(() => 'x');
      const tool = openaiTool({
        name: 'read',
        description: '',
        parameters: z.object({ id: z.string() }),
        execute: ran,
      });
      const [guarded] = await guardOpenai([tool], client, options);
      const result = await asAlice(() => guarded?.invoke({} as never, text, { toolCall: { callId: '1' } } as never));
      expect([result, ran.mock.calls.length]).toMatchObject([{ refused: true, code: 'bad_arguments' }, 0]);
    },
  );
});

describe('MCP', () => {
  const serve = (result: object) => ({
    listTools: async () => ({ tools: [{ name: 'read' }] }),
    callTool: vi.fn(async () => result),
  });
  const callRead = (mcp: ReturnType<typeof serve>, more: object = {}) =>
    asAlice(() => guardMcp(mcp, client, options).callTool({ name: 'read', arguments: { id: 'erin' }, ...more }));

  it('masks what is structured as well, and keeps nothing else', async () => {
    const mcp = serve({
      content: [{ type: 'text', text: JSON.stringify(RECORD), _meta: RECORD }],
      structuredContent: RECORD,
      _meta: RECORD,
    });
    expect(await callRead(mcp)).toEqual({
      content: [{ type: 'text', text: JSON.stringify(MASKED) }],
      structuredContent: MASKED,
    });
  });

  it.each([
    [{ type: 'image', data: 'eA==', mimeType: 'image/png' }],
    [{ type: 'resource', resource: { uri: 'x:y', text: JSON.stringify(RECORD) } }],
    [{ type: 'text', text: 'salary: 125000' }],
    [{ type: 'text', text: '["Erin earns 125000"]' }],
    [{ type: 'text', text: '{"columns":["salary"],"rows":[[125000]]}' }],
  ])('shows no part that can not be masked: %j', async (part) => {
    const result = await callRead(serve({ content: [part] }));
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('not_shown') as string }],
    });
  });

  it.each<[unknown]>([['Erin earns 125000'], [['Erin earns 125000']], [125_000], [[[125_000]]]])(
    'shows no bare value that is wrapped to be structured: %j',
    async (result) => {
      const shown = await callRead(serve({ content: [], structuredContent: { result } }));
      expect(shown).toMatchObject({ isError: true });
      expect(JSON.stringify(shown)).not.toMatch(/125[_,.]?000/);
    },
  );

  it('masks a list that is wrapped to be structured', async () => {
    const shown = await callRead(serve({ content: [], structuredContent: { result: [RECORD] } }));
    expect(shown).toEqual({ content: [], structuredContent: { result: [MASKED] } });
  });

  it('passes nothing on beside the name and the arguments that were asked about', async () => {
    const mcp = serve({ content: [] });
    await callRead(mcp, { task: { ttl: 1 }, _meta: { 'remit/approval': 'x' } });
    expect(mcp.callTool.mock.calls).toEqual([[{ name: 'read', arguments: { id: 'erin' } }]]);
  });
});

describe('what all share', () => {
  /** A service that allows everything, and remembers what it was asked. */
  const permissive = () => {
    const can = vi.fn(
      async () => ({ allowed: true, obligations: [], reasons: [], isCached: true }) as unknown as Evaluation,
    );
    return { can, outcome: async () => undefined, capabilities: async () => [], requestAccess: () => Promise.reject(new Error()) }; // prettier-ignore
  };

  it('arguments are asked about as they are, or nothing runs', async () => {
    const strange = fc.constantFrom<unknown>(new Map([['a', 1]]), new Set([1]), NaN, Infinity, 1n, Symbol('x'), () => 1, new (class X { a = 1 })(), { toJSON: () => ({}) }, new Uint8Array(2)); // prettier-ignore
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.option(strange, { nil: undefined }),
        async (args, odd) => {
          const service = permissive();
          const execute = vi.fn(() => 'ran');
          const guarded = await guardAi({ read: { inputSchema, execute } }, service, {
            question: { read: { action: 'read', resource: { type: 'employee', id: 'erin' } } },
            hides: false,
          });
          const run = executeOf(guarded.read);
          const given = odd === undefined ? args : { ...args, odd: [odd] };
          const result = await asAlice(() => run(given, call('1')));
          if (odd === undefined) {
            expect(result).toBe('ran');
            const [[question]] = service.can.mock.calls as unknown as [[{ action: { properties: object } }]];
            expect(JSON.stringify(question.action.properties)).toBe(JSON.stringify(args));
          } else {
            expect([result, execute.mock.calls.length]).toMatchObject([{ code: 'bad_arguments' }, 0]);
          }
        },
      ),
    );
  });

  it('a subject has a type and an id, and nothing runs without one', () => {
    for (const subject of [
      undefined,
      {},
      { type: 'user' },
      { type: 'user', id: '' },
      { type: '', id: 'alice' },
      { type: 'user', id: 1 },
    ])
      // prettier-ignore
      expect(() => withSubject({ subject } as never, () => 1)).toThrow(TypeError);
    for (const credential of [{ token: '' }, { token: 't', proof: 'jwt' }, { proof: () => 'jwt' }])
      // prettier-ignore
      expect(() => withSubject({ subject: { type: 'user', id: 'alice' }, ...credential } as never, () => 1)).toThrow(TypeError);
  });

  it('names of a table’s prototype are no questions', async () => {
    const tools = { constructor: { inputSchema, execute: () => 'x' } };
    await expect(guardAi(tools, client, options)).rejects.toThrow(/no question/);
  });

  it('a hook or a report that fails changes nothing, and errors are told', async () => {
    const errors: unknown[] = [];
    const service = permissive();
    const failing = {
      ...service,
      can: async () =>
        ({ allowed: true, obligations: [], reasons: [], isCached: false, id: 'd' }) as unknown as Evaluation,
      outcome: () => Promise.reject(new Error('down')),
    };
    const guarded = await guardAi({ read: { inputSchema, execute: () => 'ran' } }, failing, {
      ...options,
      onEvent: () => {
        throw new Error('hook');
      },
      onError: (error) => errors.push(error),
    });
    const run = executeOf(guarded.read);
    expect(await asAlice(() => run({ id: 'erin' }, call('1')))).toBe('ran');
    await vi.waitFor(() => expect(errors.map(String)).toEqual(['Error: hook', 'Error: hook', 'Error: down']));
  });
});

describe('a wrong set-up, which the model is not told,', () => {
  const { askerKey } = inject('service');
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const takeLines = (): unknown[] => write.mock.calls.splice(0).map(([text]) => text);
  afterEach(takeLines);
  afterAll(() => write.mockRestore());
  const ask = async (
    work: ToolClient,
    name: string,
    { id = read.resource.id, bind = asAlice }: { id?: typeof read.resource.id; bind?: typeof asAlice } = {},
    more: Partial<ToolGuardOptions> = {},
  ): Promise<unknown> => {
    const question = { [name]: { ...read, resource: { ...read.resource, id } } };
    const guarded = await guardAi({ [name]: { inputSchema, execute: () => RECORD } }, work, { ...options, question, ...more });
    return bind(() => executeOf(guarded[name])({ id: 'erin' }, call('1')));
  }; // prettier-ignore
  const wrong = createClient({ url, key: 'wrong-key', timeoutMs: 20_000 });

  it('is one line on stderr, once', async () => {
    for (let i = 0; i < 3; i += 1) expect(await ask(wrong, 'read_a')).toMatchObject({ code: 'misconfigured' });
    expect(takeLines()).toEqual([
      'remit: the tool "read_a": the authorization service does not accept the credential of this client (status 401)\n',
    ]);
  });

  it('names what is missing, and nothing that a caller or a function has said', async () => {
    const secret = 'eyJ.secret';
    const id = (): string => {
      throw new RangeError(secret);
    };
    expect(await ask(client, 'read_b', { id })).toMatchObject({ code: 'misconfigured' });
    expect(await ask(client, 'read_c', { bind: (work) => work() })).toMatchObject({ code: 'unbound' });
    const alone: typeof asAlice = (work) => withSubject({ subject: { type: 'user', id: 'alice' } }, work);
    const asker = createClient({ url, key: askerKey, timeoutMs: 20_000 });
    await ask(asker, 'read_d', { bind: alone });
    await ask(wrong, `read_e\nremit: all is well\u001b[2J`);
    expect(takeLines()).toEqual([
      'remit: the tool "read_b": its question could not be built (RangeError)\n',
      'remit: the tool "read_c": it is called outside of a request (withSubject), so it is not known who asks\n',
      'remit: the tool "read_d": the client is wrongly set up: the request has no token of the agent (withSubject({ subject, token }, work))\n',
      expect.stringMatching(
        /^remit: the tool "read_e\\nremit: all is well\\u001b\[2J": the authorization service [^\n]*\n$/,
      ),
    ]);
  });

  it('is told to the hook alone, where there is one', async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    await ask(wrong, 'read_f', {}, { onError });
    await ask(client, 'read_f', { bind: (work) => work() }, { onError });
    expect(errors).toMatchObject([{ kind: 'setup', code: 'credential' }, { name: 'TypeError' }]);
    expect(takeLines()).toEqual([]);
  });

  it('is no outage, and no argument of the model', async () => {
    const dead = createClient({ url: 'http://127.0.0.1:9', key, timeoutMs: 300 });
    expect(await ask(dead, 'read_g')).toMatchObject({ code: 'unavailable' });
    expect(await ask(client, 'read_h', { id: () => 'a\nb' })).toMatchObject({ code: 'bad_arguments' });
    expect(takeLines()).toEqual([]);
  });
});
