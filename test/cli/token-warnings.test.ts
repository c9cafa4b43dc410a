/** What is likely a slip in a token or a question is told, and what may be meant isn't. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findTypedIds, findUnknownScopes } from '../../src/cli/token-warnings.js';
import { loadConfig } from '../../src/config/config.js';
import { company } from '../author/test/company.js';
import { SAMPLE } from '../support/sample.js';

const sample = loadConfig(SAMPLE, {});

it('An id with the type that its option says', () => {
  expect(findTypedIds({ '--user': 'user:dora', '--agent': 'agent:scribe' })).toEqual([
    '--user takes the id without its type: "user:dora" is taken as a whole, not as "dora"',
    '--agent takes the id without its type: "agent:scribe" is taken as a whole, not as "scribe"',
  ]);
  expect(findTypedIds({ '--user': 'urn:acme:dora', '--agent': 'user:', '--chain (1)': undefined })).toEqual([]);
});

it('A scope that nothing knows', () => {
  expect(findUnknownScopes('hr.employees.read hr.employees.raed', sample)).toEqual([
    'no action has the scope "hr.employees.raed" (did you mean "hr.employees.read"?)',
  ]);
  expect(findUnknownScopes('hr.employees.read  hr.employees.write', sample)).toEqual([]);
});

it('A scope that only a policy reads is known', () => {
  const { config, write, remove } = company();
  onTestFinished(remove);
  expect(findUnknownScopes('clinic.audit', loadConfig(config, {}))).toHaveLength(1);
  write(
    'audit.cedar',
    '@id("audit") forbid (principal, action == Docs::Action::"read", resource) when { context.delegation.scopes.contains("clinic.audit") };',
  );
  expect(findUnknownScopes('clinic.audit', loadConfig(config, {}))).toEqual([]);
});

it('Rules that can not be read leave the scope unchecked, and say so', () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-warnings-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const file = join(directory, 'remit.yaml');
  writeFileSync(file, 'schema: { relationships: a.zed, actions: b.cedarschema }\npolicies: .\n');
  expect(findUnknownScopes('x', loadConfig(file, {}))).toEqual([
    expect.stringMatching(/^--scope can't be checked: .*a\.zed: there is no such file/),
  ]);
});
