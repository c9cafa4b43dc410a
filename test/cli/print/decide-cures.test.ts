import { expect, it } from 'vitest';
import { decideCommand } from '../../../src/cli/decide.js';
import { listDecideCures } from '../../../src/cli/print/decide-cures.js';
import { REASONS, type MissingValue, type ReasonCode, type ValueSource } from '../../../src/model/reasons.js';

const resource = { type: 'document', id: 'plan' };
const cures = (hasToken: boolean, ...codes: ReasonCode[]): string[] =>
  listDecideCures(
    codes.map((code) => ({ code })),
    { hasToken, resource },
  );

it('A question without a token is told each way to say who acts', () => {
  const [cure = '', ...others] = cures(false, 'token_missing', 'subject_type_unknown');
  expect(others).toEqual([]);
  for (const way of ['--token "$(', '--agent ID', '--mode human']) expect(cure).toContain(way);
  expect(cures(true, 'token_missing')).toEqual([]);
});

it('A token is minted by the configuration that the question was asked by', () => {
  const cureFor = (config: string | undefined): string[] =>
    listDecideCures([{ code: 'token_missing' }], { hasToken: false, config, resource });
  expect(cureFor(undefined)).toEqual([expect.stringContaining(' token --user ID ')]);
  expect(cureFor('clinic/remit.yaml')).toEqual([
    expect.stringContaining(' token --config clinic/remit.yaml --user ID '),
  ]);
  expect(cureFor("my clinic's.yaml")).toEqual([
    expect.stringContaining(` token --config 'my clinic'\\''s.yaml' --user ID `),
  ]);
});

it('A token of another data directory is minted anew, by that of the service', () => {
  const [cure = '', ...others] = cures(true, 'token_key_unknown');
  expect(others).toEqual([]);
  expect(cure).toContain('--token "$(');
  expect(cure).toContain('REMIT_DATA');
});

it('What is missing is told in the options that give it', () => {
  expect(cures(true, 'context_missing', 'policy_forbid')).toEqual(['--context with what is missing']);
  const missing: readonly MissingValue[] = [
    { entity: resource, path: 'address.city', source: 'request' },
    { path: 'context.action.branch', source: 'request' },
    { path: 'context.request.ip', source: 'request' },
    { path: 'context.user', source: 'request' },
  ];
  expect(listDecideCures([{ code: 'attribute_missing', missing }], { hasToken: true, resource })).toEqual([
    '--properties with address.city, or store it: PUT /v1/entities/document/plan with address.city in "attributes"',
    '--action-properties with branch',
    '--context with ip',
    'no option states context.user',
  ]);
});

it('What no option states is to be stored, and is not called a matter of the request', () => {
  const grade = { entity: { type: 'user', id: 'ann|x' }, path: 'grade' };
  const ask = (source: ValueSource): string[] =>
    listDecideCures([{ code: 'attribute_missing', missing: [{ ...grade, source }] }], { hasToken: true, resource });
  const store =
    'no option states grade of user:ann|x: store it by PUT /v1/entities/user/ann%7Cx with grade in "attributes"';
  expect(ask('store')).toEqual([store]);
  for (const source of ['request', 'asserting_client'] as const)
    expect(ask(source)).toEqual([`${store}; over HTTP a client with asserts_attributes can state it`]);
  expect(
    listDecideCures(
      [{ code: 'attribute_missing', missing: [{ entity: resource, path: 'open', source: 'asserting_client' }] }],
      {
        hasToken: true,
        resource,
      },
    ),
  ).toEqual([expect.stringContaining('no option states open of document:plan')]);
});

it('Each option that a cure names is one of the command, or of the one in its parentheses', () => {
  const options = new Set(Object.keys(decideCommand.signature.options).map((name) => `--${name}`));
  for (const cure of cures(false, ...(Object.keys(REASONS) as ReasonCode[])))
    for (const [option] of cure.replace(/\$\([^)]*\)/g, '').matchAll(/--[a-z-]+/g))
      expect([...options]).toContain(option);
});
