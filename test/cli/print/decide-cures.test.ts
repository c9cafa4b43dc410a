import { expect, it } from 'vitest';
import { decideCommand } from '../../../src/cli/decide.js';
import { listDecideCures } from '../../../src/cli/print/decide-cures.js';
import { REASONS, type ReasonCode } from '../../../src/model/reasons.js';

const cures = (hasToken: boolean, ...codes: ReasonCode[]): string[] =>
  listDecideCures(
    codes.map((code) => ({ code })),
    { hasToken },
  );

it('A question without a token is told each way to say who acts', () => {
  const [cure = '', ...others] = cures(false, 'token_missing', 'subject_type_unknown');
  expect(others).toEqual([]);
  for (const way of ['--token "$(', '--agent ID', '--mode human']) expect(cure).toContain(way);
  expect(cures(true, 'token_missing')).toEqual([]);
});

it('A token is minted by the configuration that the question was asked by', () => {
  const cureFor = (config: string | undefined): string[] =>
    listDecideCures([{ code: 'token_missing' }], { hasToken: false, config });
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
  expect(cures(true, 'attribute_missing', 'context_missing', 'policy_forbid')).toEqual([
    expect.stringContaining('--properties, --action-properties or --context'),
    '--context with what is missing',
  ]);
});

it('Each option that a cure names is one of the command, or of the one in its parentheses', () => {
  const options = new Set(Object.keys(decideCommand.signature.options).map((name) => `--${name}`));
  for (const cure of cures(false, ...(Object.keys(REASONS) as ReasonCode[])))
    for (const [option] of cure.replace(/\$\([^)]*\)/g, '').matchAll(/--[a-z-]+/g))
      expect([...options]).toContain(option);
});
