/** Calls as questions: by the tool's name, or by a mapping whose author is believed about nothing but what is called. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARGUMENTS_DIGEST } from '../../src/mcp/argument-digest.js';
import { MappingError } from '../../src/mcp/mapping.js';
import { readToolList, type ToolDefinition } from '../../src/mcp/tool-definition.js';
import { questionsOfCall, type ToolQuestion } from '../../src/mcp/tool-question.js';
import { findIdProblem } from '../../src/model/ids.js';
import { REMIT_CONTEXT_MEMBERS } from '../../src/model/question.js';

const party = { type: 'user', id: 'ann' };
const claims = { sub: 'ann', client_id: 'helper', aud: 'https://remit.example/mcp/shop', email: 'ann@example.com' };
const digestKey = Buffer.from('secret');

function toolWith(mapping?: unknown, name = 'refund'): ToolDefinition {
  const inputSchema = { type: 'object', ...(mapping === undefined ? {} : { 'x-authzen-mapping': mapping }) };
  const [tool] = readToolList([{ name, inputSchema, annotations: { readOnlyHint: true } }]).tools;
  if (tool === undefined) throw new Error('no tool');
  return tool;
}
const ask = (tool: ToolDefinition, stated: Record<string, unknown> = {}, own = true, as = party): readonly ToolQuestion[] =>
  questionsOfCall({ server: 'shop', tool, arguments: stated, party: as, claims }, { digestKey, hasToolAction: () => own }); // prettier-ignore
/** The one question of a mapping, its digest aside. */
function askOne(mapping: unknown, stated: Record<string, unknown> = {}): ToolQuestion | undefined {
  const [question] = ask(toolWith(mapping), stated);
  if (question === undefined) return undefined;
  const { [ARGUMENTS_DIGEST]: digest, ...properties } = question.action.properties;
  expect(digest).toMatch(/^[\w-]{43}$/);
  return { ...question, action: { ...question.action, properties } };
}
const evaluation = (parts: object): object => ({
  evaluation: { action: { name: 'read' }, resource: { type: 'customer', id: 'c1' }, ...parts },
});

describe('without a mapping', () => {
  const resource = { type: 'mcp_tool', id: 'shop/refund', properties: { server: 'shop', read_only: true, destructive: false, idempotent: true, open_world: true } }; // prettier-ignore

  it('the question is the action of the tool’s own name on the tool, with the arguments', () => {
    const [question] = ask(toolWith(), { amount: 5 });
    expect(question).toEqual({
      subject: { ...party, properties: {} },
      action: { name: 'refund', properties: { amount: 5, [ARGUMENTS_DIGEST]: expect.any(String) as string } },
      resource,
      context: {},
    });
  });

  it('or "tools/call" where the schema has no such action', () => {
    const [question] = ask(toolWith(), {}, false);
    expect(question?.action.name).toBe('tools/call');
    expect(question?.resource).toEqual(resource);
  });

  it('no argument can stand for the digest of all', () => {
    const [forged] = ask(toolWith(), { amount: 5, [ARGUMENTS_DIGEST]: 'x' });
    const [other] = ask(toolWith(), { amount: 5 });
    expect(forged?.action.properties[ARGUMENTS_DIGEST]).not.toBe('x');
    expect(forged?.action.properties[ARGUMENTS_DIGEST]).not.toBe(other?.action.properties[ARGUMENTS_DIGEST]);
  });

  it('an agent that acts for itself asks as itself', () => {
    expect(ask(toolWith(), {}, true, { type: 'agent', id: 'helper' })[0]?.subject).toMatchObject({ type: 'agent', id: 'helper' });
  }); // prettier-ignore
});

describe('a mapping', () => {
  it('says what is called, of the arguments and the token', () => {
    const mapping = {
      evaluation: {
        subject: { type: 'identity', id: '$token.sub' },
        action: { name: 'get_customer', properties: { price: '$$5', deep: [{ n: '$params.arguments.n' }] } },
        resource: { type: 'customer', id: '$params.arguments.id' },
        context: { agent: '$token.?client_id', case: '$params.arguments.case', none: '$token.?none' },
      },
    };
    expect(askOne(mapping, { id: 'c1', case: 'k', n: 2 })).toEqual({
      subject: { ...party, properties: {} },
      action: { name: 'get_customer', properties: { price: '$5', deep: [{ n: 2 }] } },
      resource: { type: 'customer', id: 'c1', properties: {} },
      context: { case: 'k' },
    });
  });

  it('may be several questions, of which an entry’s own part stands in place of what is said for all', () => {
    const mapping = {
      evaluations: {
        action: { name: 'read', properties: { a: 1 } },
        evaluations: [
          { resource: { type: 'file', id: '$params.arguments.from' } },
          { resource: { type: 'file', id: '$params.arguments.to' }, action: { name: 'write' } },
        ],
      },
    };
    const questions = ask(toolWith(mapping), { from: 'a', to: 'b' });
    expect(questions.map(({ action, resource }) => [action.name, Object.keys(action.properties), resource.id])).toEqual([
      ['read', ['a', ARGUMENTS_DIGEST], 'a'],
      ['write', [ARGUMENTS_DIGEST], 'b'],
    ]);
  }); // prettier-ignore

  it.each([
    {}, [], null, 'x', { evaluation: {} }, { evaluation: [] }, { other: {} }, { ...evaluation({}), evaluations: {} },
    { evaluation: { action: { name: 'a' } } }, { evaluation: { resource: { type: 'a', id: 'b' } } },
    evaluation({ extra: 1 }), evaluation({ action: '$params.name' }), evaluation({ action: { name: 'a', id: 'b' } }),
    evaluation({ resource: { type: 'a', id: 'b', owner: 'ann' } }), evaluation({ context: [] }),
    evaluation({ resource: { type: 'a', id: '$params.' } }), evaluation({ resource: { type: 'a', id: '$x.matches("y")' } }),
    { evaluations: { evaluations: [] } }, { evaluations: { evaluations: {} } }, { evaluations: {} },
    { evaluations: { action: { name: 'a' }, evaluations: [{ subject: { id: 'x' }, resource: { type: 'a', id: 'b' } }] } },
    { evaluations: { options: { evaluations_semantic: 'permit_on_first_permit' }, action: { name: 'a' }, evaluations: [{ resource: { type: 'a', id: 'b' } }] } },
    { evaluations: { action: { name: 'a' }, evaluations: Array(21).fill({ resource: { type: 'a', id: 'b' } }) } },
  ])('%j is none', (mapping) => {
    expect(() => ask(toolWith(mapping))).toThrow(MappingError);
  }); // prettier-ignore

  it.each([
    ['a missing argument', { resource: { type: 'customer', id: '$params.arguments.id' } }],
    ['an absent one', { resource: { type: 'customer', id: '$params.arguments.?id' } }],
    ['null', { resource: { type: 'customer', id: '$params.arguments.none' } }],
    ['a number', { resource: { type: 'customer', id: '$params.arguments.n' } }],
    ['no text', { resource: { type: 'customer', id: '' } }],
    ['a list for a name', { action: { name: '$params.arguments.list' } }],
    ['a control character in a name', { action: { name: '$params.arguments.line' } }],
    ['a text for properties', { action: { name: 'a', properties: '$params.name' } }],
    ['too much', { context: { all: '$params.arguments.long' } }],
  ])('makes no question of %s', (_, parts) => {
    const stated = { none: null, n: 5, list: ['a'], line: 'a\nb', long: 'x'.repeat(70_000) };
    expect(() => ask(toolWith(evaluation(parts)), stated)).toThrow(MappingError);
  });
});

describe('a hostile mapping', () => {
  it.each([
    { id: 'bob' },
    { id: '$params.arguments.user' },
    { id: '$token.email' },
    { type: 'agent', id: '$token.sub' },
    { type: 'admin' },
    { type: '$params.arguments.type' },
    { id: ['ann'] },
  ])('does not ask for another: %j', (subject) => {
    expect(() => ask(toolWith(evaluation({ subject })), { user: 'bob', type: 'agent' })).toThrow(MappingError);
  });

  it.each([{}, { id: '$token.sub' }, { type: 'user' }, { type: 'identity', id: 'ann' }])('and %j is who the token is for', (subject) => {
    expect(askOne(evaluation({ subject }))?.subject).toMatchObject(party);
  }); // prettier-ignore

  it('of a user that Remit names by the issuer is that user', () => {
    const named = { type: 'user', id: 'partner|ann' };
    const [question] = ask(toolWith(evaluation({ subject: { id: '$token.sub' } })), {}, true, named);
    expect(question?.subject).toMatchObject(named);
  });

  it.each([...REMIT_CONTEXT_MEMBERS.filter((name) => name !== 'agent'), 'purpose'])('does not say context.%s', (name) => {
    expect(() => ask(toolWith(evaluation({ context: { [name]: 'x' } })))).toThrow(`context.${name} is not for a mapping`);
  }); // prettier-ignore

  it('does not say who the agent is', () => {
    expect(askOne(evaluation({ context: { agent: 'another' } }))?.context).toEqual({});
  });

  it('nor by the properties of the subject, which name the agent of a request without a token', () => {
    const subject = { properties: { act: { sub: 'another' } } };
    expect(() => ask(toolWith(evaluation({ subject })))).toThrow('properties.act is not for a mapping to say');
  });

  it.each([
    ['mcp_tool', 'shop/other'],
    ['mcp_server', 'shop'],
  ])('says nothing of what its own server has beside it: %s %s', (type, id) => {
    const resource = { type, id, properties: { destructive: false } };
    expect(askOne(evaluation({ resource }))?.resource).toEqual({ type, id, properties: {} });
  });

  it('does not forge the id of a tool whose name makes none', () => {
    const idOf = (id: string): string => askOne(evaluation({ resource: { type: 'mcp_tool', id } }))?.resource.id ?? '';
    const long = idOf(`shop/${'x'.repeat(2000)}`);
    expect(long).toMatch(/^shop\/sha256-[0-9a-f]{64}$/);
    expect(idOf(long)).not.toBe(long);
  });

  it('does not say what the digest is', () => {
    const action = { name: 'a', properties: { [ARGUMENTS_DIGEST]: 'x' } };
    expect(() => ask(toolWith(evaluation({ action })))).toThrow('is for the digest');
  });

  it.each([
    ['mcp_tool', 'other/refund'],
    ['mcp_prompt', 'shopping/x'],
    ['mcp_server', 'other'],
  ])('does not ask about what another server has: %s %s', (type, id) => {
    expect(() => ask(toolWith(evaluation({ resource: { type, id } })))).toThrow(
      /must (begin with "shop\/"|be "shop")$/,
    );
  });

  it('says nothing of its own tool that was not accepted', () => {
    const resource = { type: 'mcp_tool', id: 'shop/delete', properties: { destructive: false } };
    const [question] = questionsOfCall(
      { server: 'shop', tool: { ...toolWith(evaluation({ resource }), 'delete'), annotations: {} }, arguments: {}, party, claims },
      { digestKey, hasToolAction: () => true },
    ); // prettier-ignore
    expect(question?.resource.properties).toMatchObject({ destructive: true, read_only: false });
  });

  it('that drops an argument still makes two questions of two calls', () => {
    const tool = toolWith(evaluation({}));
    const digestOf = (stated: Record<string, unknown>): unknown => ask(tool, stated)[0]?.action.properties[ARGUMENTS_DIGEST]; // prettier-ignore
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(digestOf({ dropped: a }) === digestOf({ dropped: b })).toBe(a === b);
      }),
    );
  });

  it('whatever it is and whatever is called, it asks for the token’s party or for nothing', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('$token.sub', '$params.arguments.a', '$params.arguments', '$token', '$params.arguments.?b', '$$x', 'identity', 'user', 'mcp_tool')); // prettier-ignore
    const leaf = fc.oneof(text, fc.integer(), fc.constant(null));
    const part = fc.record({ type: leaf, id: leaf, name: leaf, properties: fc.dictionary(fc.string(), leaf) }, { requiredKeys: [] }); // prettier-ignore
    const body = fc.record({ subject: part, action: part, resource: part, context: fc.dictionary(text, leaf) }, { requiredKeys: ['action', 'resource'] }); // prettier-ignore
    fc.assert(
      fc.property(body, fc.dictionary(fc.constantFrom('a', 'b'), fc.jsonValue(), { noNullPrototype: true }), (mapping, stated) => {
        let questions: readonly ToolQuestion[];
        try {
          questions = ask(toolWith({ evaluation: mapping }), stated);
        } catch (error) {
          expect(error).toBeInstanceOf(MappingError);
          return;
        }
        for (const { subject, resource, context, action } of questions) {
          expect(subject).toMatchObject(party);
          expect(findIdProblem(resource.id)).toBeUndefined();
          expect(Object.keys(context).filter((name) => REMIT_CONTEXT_MEMBERS.some((own) => own === name))).toEqual([]);
          expect(action.name.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    ); // prettier-ignore
  });
});

it('ids that are too long, or are none, are digests, and no id can forge one', () => {
  const mapping = evaluation({ resource: { type: 'file', id: '$params.arguments.path' } });
  const idOf = (path: string): string | undefined => askOne(mapping, { path })?.resource.id;
  expect(idOf('a/b')).toBe('a/b');
  const long = idOf('x'.repeat(2000)) ?? '';
  expect(long).toMatch(/^sha256-[0-9a-f]{64}$/);
  expect(idOf(long)).not.toBe(long);
  expect(idOf('a\nb')).toMatch(/^sha256-/);
});
