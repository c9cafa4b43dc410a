/** What a caller is charged with for the records of its questions: no less than they hold, before they are made. */
import fc from 'fast-check';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { ORDINARY_RECORD_BYTES } from '../../../src/http/edge/record-rate.js';
import { clientNamed, startWith, type Running } from '../../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startWith({
    limits: { deadline_ms: 30_000 },
    issuers: [],
    clients: [{ ...clientNamed('one', 'remit', 'evaluate', 'asserts_subject'), rate: 1_000_000 }],
  });
  return () => remit.stop();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const human = { mode: 'human' };
const question = {
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
};
const post = (path: string, body: object) =>
  remit.post(`/access/v1/${path}`, body, { authorization: 'Bearer one-key' }); // prettier-ignore

/** What sealing adds to the values of a record: a nonce and a tag. */
const SEAL_BYTES = 28;

/** The bytes of each record there is, with those of its sealed values; they are then no more. */
async function takeRecordBytes(): Promise<number[]> {
  await remit.service.decisions.flush();
  const [rows = []] = await remit.service.database.run([
    {
      sql: `select r.record, octet_length(v.sealed) as sealed
            from records r join record_values v on v.record = r.id where r.kind = 'decision'`,
    },
    { sql: 'delete from records' },
  ]);
  return rows.map(({ record, sealed }) => Buffer.byteLength(JSON.stringify(record)) + Number(sealed) - SEAL_BYTES);
}

/** Notes what is charged. */
function watchCharges() {
  const { records } = remit.app.rateLimiter;
  const reserve = vi.spyOn(records, 'reserve');
  const settle = vi.spyOn(records, 'settle');
  return {
    listReserved: () => reserve.mock.calls.map(([, bytes]) => bytes),
    listSettled: () => settle.mock.calls.map(([, , recorded]) => recorded),
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
/** Texts that are on record, of which some take more bytes than characters, and others are escaped. */
const text = fc
  .record({ letter: fc.constantFrom('x', 'é', '字', '"', '\\'), length: fc.integer({ min: 0, max: 15_000 }) })
  .map(({ letter, length }) => letter.repeat(length));
const properties = fc.record({ status: text, title: text }, { requiredKeys: [] });
/** An item: what the defaults say, a part of its own, or none at all. */
const item = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  properties.map((stated) => ({ resource: { ...question.resource, properties: stated } })),
  fc.constantFrom<unknown>({ action: { name: 'delete' } }, { resource: { type: '', id: '' } }, 1, null),
);

it('is no less than all records of a batch hold, before one of them is made and after all are', async () => {
  await fc.assert(
    fc.asyncProperty(properties, fc.array(item, { minLength: 1, maxLength: 12 }), async (stated, evaluations) => {
      const charges = watchCharges();
      const defaults = { ...question, resource: { ...question.resource, properties: stated }, context: human };
      const response = await post('evaluations', { ...defaults, evaluations });
      const held = await takeRecordBytes();
      vi.restoreAllMocks();
      const [reserved, settled] = [charges.listReserved(), charges.listSettled()];
      expect(reserved).toHaveLength(response.statusCode === 200 ? evaluations.length : 0);
      expect(sum(reserved) + held.length * ORDINARY_RECORD_BYTES).toBeGreaterThanOrEqual(sum(held));
      expect(sum(settled)).toBe(sum(held.map((bytes) => Math.max(0, bytes - ORDINARY_RECORD_BYTES))));
    }),
    {
      numRuns: 25,
      // A long default, of which each item makes a long record.
      examples: [[{ status: 'x'.repeat(31_000) }, Array.from({ length: 40 }, () => ({}))]],
    },
  );
}, 120_000);

it('comes back where no record is made, and where it is shorter than its question', async () => {
  const invalid = { resource: { type: 'employee', id: '\u0007' } };
  const unknown = 'x'.repeat(31_000);
  for (const [body, expected] of [
    [{ ...question, context: { ...human, unknown }, evaluations: [invalid] }, 0],
    // What no schema knows isn't on record.
    [{ ...question, context: { ...human, unknown }, evaluations: [{}] }, 1],
  ] as const) {
    const charges = watchCharges();
    await post('evaluations', body);
    expect(charges.listReserved()[0]).toBeGreaterThan(25_000);
    expect(charges.listSettled()).toEqual([0]);
    expect(await takeRecordBytes()).toHaveLength(expected);
    vi.restoreAllMocks();
  }
});

it('has the long questions of a caller decided a few at a time, and lets its short ones pass', async () => {
  const { decisions } = remit.service;
  const record = decisions.record.bind(decisions);
  let atOnce = 0;
  let most = 0;
  vi.spyOn(decisions, 'record').mockImplementation(async (...args) => {
    most = Math.max(most, (atOnce += 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    return record(...args).finally(() => (atOnce -= 1));
  });
  const countAtOnce = async (status: string): Promise<number> => {
    most = 0;
    const resource = { ...question.resource, properties: { status } };
    const batch = post('evaluations', { ...question, resource, context: human, evaluations: Array.from({ length: 200 }, () => ({})) });
    const single = await post('evaluation', { ...question, context: human });
    expect(single.statusCode).toBe(200);
    expect((await batch).json<{ evaluations: { context: { error?: object } }[] }>().evaluations.filter(({ context }) => context.error !== undefined)).toEqual([]);
    return most;
  };
  expect(await countAtOnce('active')).toBeGreaterThan(40);
  expect(await countAtOnce('x'.repeat(31_000))).toBeLessThanOrEqual(20);
  await takeRecordBytes();
}, 60_000); // prettier-ignore
