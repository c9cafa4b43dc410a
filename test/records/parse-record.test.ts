/** Records from outside: whatever a file says, it is a clear error or a record. */
import type { ReplayableRecord } from '../../src/model/decision.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { explainRecord } from '../../src/records/explain/explain.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { ConfigError } from '../../src/model/faults.js';
import { start, type Running } from '../support/sample.js';
import { decided } from './explain/sample-decisions.js';

let remit: Running;
let record: ReplayableRecord;
beforeAll(async () => {
  remit = await start();
  const token = await remit.mint({
    user: 'liam',
    agent: 'code-bot',
    scope: 'code.write',
    details: [{ type: 'remit', actions: ['push'], constraints: { branch: { prefix: 'fix' } } }],
  });
  record = await decided(remit, {
    subject: { type: 'user', id: 'liam' },
    action: { name: 'push', properties: { branch: 'fix' } },
    resource: { type: 'repository', id: 'payments-api' },
    context: { token },
  });
  return () => remit.stop();
});

/** The record with one member, by its path, replaced. */
function tampered(path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(record) as unknown as Record<string, unknown>;
  let at = copy;
  for (const name of path.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[path.at(-1) ?? ''] = value;
  return copy;
}

/** Every member of the record, however deep. */
function* paths(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    yield [...path, name];
    yield* paths(member, [...path, name]);
  }
}

describe('a record', () => {
  it('is read as it is', () => {
    expect(record.decision).toBe(true);
    expect(parseRecord(record, 'x')).toEqual(record);
    for (const facts of [undefined, record.facts]) expect(parseRecord({ ...record, facts }, 'x').facts).toBe(facts);
  });

  it.each([
    [['facts'], [], 'facts must be of type object, not array'],
    [['facts', 'checks'], null, 'facts.checks must be of type object, not null'],
    [['facts', 'checks', 'x'], { result: 'yes' }, 'facts.checks.x.revision is required'],
    [['facts', 'credential', 'token', 'scopes'], 'all', 'facts.credential'],
    [['facts', 'entities', 'agent:x'], 7, 'facts.entities.agent:x must be of type object, not number'],
    [['evaluated_at'], 'yesterday', 'evaluated_at'],
    [['rationale', 'steps'], {}, 'rationale.steps must be of type array, not object'],
    [['search'], 'resource', 'is the record of a list'],
    [['client'], 'a\ud800', 'not well-formed Unicode'],
  ])('is refused where %j is %j', (path, value, message) => {
    expect(() => parseRecord(tampered(path, value), 'file')).toThrow(ConfigError);
    expect(() => parseRecord(tampered(path, value), 'file')).toThrow(message);
  });

  it.each([[null], [7], ['text'], [[]], [{}], [JSON.parse('{"__proto__": {}}')]])('is not %j', (value) => {
    expect(() => parseRecord(value, 'file')).toThrow(ConfigError);
  });

  it('is refused where it is nested without end', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    expect(() => parseRecord(tampered(['facts', 'said', 'context'], { deep }), 'file')).toThrow('nested more than');
  });

  it('with any member taken away or of any other shape is explained or refused, and nothing else', () => {
    const rules = remit.service.activePolicies.rules;
    const odd = [undefined, '\u001b[2J', { type: 'x' }];
    let explained = 0;
    for (const path of paths(record)) {
      for (const value of odd) {
        try {
          explainRecord(parseRecord(tampered(path, value), 'file'), rules);
          explained += 1;
        } catch (error) {
          expect(error, `${path.join('.')} = ${JSON.stringify(value)}`).toBeInstanceOf(ConfigError);
        }
      }
    }
    expect(explained).toBeGreaterThan(100);
  }, 600_000);
});
