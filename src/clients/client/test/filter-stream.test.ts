/** A filter as a stream: what the real service answers, and what a service that misbehaves can't pass for a whole answer. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import {
  createClient,
  RemitDenied,
  RemitError,
  type CallEvent,
  type FilterEnd,
  type InvalidRecord,
} from 'remit-client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { collect } from '../../support/collect.js';
import { answerJson, answerText, cutConnection, neverAnswer, StandIn, type Reaction } from '../../support/stand-in.js';

const { url, key, tokens } = inject('service');
const question = { subject: { type: 'user', id: 'alice' }, action: 'read', context: { token: tokens.reader } };
const employee = (id: string) => ({ type: 'employee', id, properties: { name: id, salary: 1 } });
const fail = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => {
      throw new Error(`no error: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );

describe('filterStream', () => {
  const remit = createClient({ url, key, timeoutMs: 20_000 });

  it('answers what the list answers, masked, and says the end', async () => {
    const records = ['erin', 'grace', 'bob', 'erin', 'nobody'].map(employee);
    const ends: FilterEnd[] = [];
    const streamed = await collect(remit.filterStream({ ...question, records }, { onEnd: (end) => ends.push(end) }));
    const listed = await remit.filter({ ...question, records });
    expect(streamed).toEqual(listed.records);
    expect(streamed[0]).toEqual({ type: 'employee', id: 'erin', properties: { name: 'erin' } });
    expect(ends).toMatchObject([{ returned: listed.records.length, removed: listed.removed, invalid: 0 }]);
    expect(ends[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('takes more records than a list has, and no more of them than its reader has room for', async () => {
    let taken = 0;
    const total = 40_000;
    const padding = 'x'.repeat(2_000);
    function* produce() {
      for (; taken < total; taken += 1) yield { ...employee('erin'), properties: { name: padding } };
    }
    const stream = remit.filterStream({ ...question, records: produce() });
    await stream.next();
    // Its reader is busy: until it comes back nothing more is taken than is under way.
    let before = -1;
    while (before !== taken) {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(taken).toBeLessThan(total);
    await stream.return({ id: undefined, returned: 0, removed: 0, invalid: 0 });
  });

  it('answers many thousand records to the last one', async () => {
    async function* produce() {
      for (let i = 0; i < 5_000; i += 1) yield employee(i % 2 === 0 ? 'erin' : 'nobody');
    }
    let end: FilterEnd | undefined;
    const stream = remit.filterStream({ ...question, records: produce() }, { onEnd: (told) => (end = told) });
    expect((await collect(stream)).length).toBe(2_500);
    expect(end).toMatchObject({ returned: 2_500, removed: 2_500, invalid: 0 });
  });

  it('leaves out what can not be asked about, and names it', async () => {
    const invalid: InvalidRecord[] = [];
    const records = [employee('erin'), employee('a\nb'), employee('erin')];
    const streamed = await collect(
      remit.filterStream({ ...question, records }, { onInvalid: (record) => invalid.push(record) }),
    );
    expect(streamed.map(({ id }) => id)).toEqual(['erin', 'erin']);
    expect(invalid).toEqual([{ index: 1, code: 'bad_request', message: expect.any(String) as string, at: 'id' }]);
    const listed = await remit.filter({ ...question, records });
    expect(listed.invalid).toMatchObject([{ index: 1, code: 'bad_request', at: 'records[1].id' }]);
    expect([listed.records.length, listed.removed]).toEqual([2, 1]);
  });

  it('throws what denies the whole question, and what is wrong with it', async () => {
    const records = [employee('erin')];
    const refused = { ...question, context: { token: tokens.unscoped } };
    const denied = await fail(collect(remit.filterStream({ ...refused, records })));
    expect(denied).toBeInstanceOf(RemitDenied);
    expect(denied).toMatchObject({ code: 'scope_insufficient', remedies: [{ type: 'scope' }] });
    expect(await fail(collect(createClient({ url, key: 'wrong' }).filterStream({ ...question, records })))).toMatchObject({
      kind: 'setup',
      code: 'credential',
    });
    const nameless = { ...question, action: { name: 'a\u0000b' } };
    expect(await fail(collect(remit.filterStream({ ...nameless, records })))).toMatchObject({
      kind: 'setup',
      code: 'question',
    });
  }); // prettier-ignore

  it('throws what the source of the records throws, and lets go of a source whose reader leaves', async () => {
    const broken = new Error('the database is gone');
    async function* produce() {
      yield employee('erin');
      throw broken;
    }
    expect(await fail(collect(remit.filterStream({ ...question, records: produce() })))).toBe(broken);
    let isReleased = false;
    function* endless() {
      try {
        for (;;) yield employee('erin');
      } finally {
        isReleased = true;
      }
    }
    for await (const record of remit.filterStream({ ...question, records: endless() })) {
      expect(record.id).toBe('erin');
      break;
    }
    expect(isReleased).toBe(true);
  });

  it('is told to the hook with its id and its end', async () => {
    const events: CallEvent[] = [];
    const told = createClient({ url, key, onEvent: (event) => events.push(event) });
    await collect(told.filterStream({ ...question, records: [employee('erin')] }));
    await fail(collect(told.filterStream({ ...question, records: [{ type: '', id: '' }] })));
    expect(events).toMatchObject([
      { operation: 'filterStream', result: 'done', status: 200, decisionId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string },
      { operation: 'filterStream', result: 'setup', code: 'options' },
    ]);
  }); // prettier-ignore
});

describe('a stream that is not whole', () => {
  const service = new StandIn();
  beforeAll(() => service.start());
  afterAll(() => service.stop());
  const connect = (obligations = {}) => createClient({ url: service.url, key: 'k', obligations });
  const records = ['a', 'b', 'c'].map(employee);
  const shown = records.map((record) => ({ record }));
  const end = { end: { id: 'i', returned: 3, removed: 0, invalid: 0 } };
  const lines = (...values: unknown[]): Reaction =>
    answerText(values.map((value) => `${JSON.stringify(value)}\n`).join(''), 200, {
      'content-type': 'application/x-ndjson; charset=utf-8',
    });
  const text = (body: string): Reaction => answerText(body, 200, { 'content-type': 'application/x-ndjson' });
  const whole = [...shown, end].map((value) => `${JSON.stringify(value)}\n`).join('');
  const ask = (idleMs = 5_000) => collect(connect().filterStream({ ...question, records }, { idleMs }));

  it('is told from one that is', async () => {
    service.react(lines(...shown, end));
    expect((await ask()).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it.each<[string, Reaction]>([
    ['has no end', lines(...shown)],
    ['is empty', text('')],
    ['ends with an error', lines(...shown, { error: { code: 'stopping', message: 'The service stops.' } })],
    ['has an error beside its end', lines(...shown, { ...end, error: { code: 'x' } })],
    ['has a broken line', text(`${JSON.stringify(shown[0])}\n{"record"\n`)],
    ['has an end without its line feed', text(whole.trimEnd())],
    ['has two members of a name', text(whole.replace('"returned":3', '"returned":3,"returned":3'))],
    ['has a line that is no object', lines(...shown, [end])],
    ['has a line of an unknown kind', lines(...shown, { rows: [] }, end)],
    ['has an empty line', text(`\n${whole}`)],
    ['counts more than came', lines(...shown.slice(1), end)],
    ['counts fewer than came', lines(...shown, { end: { ...end.end, returned: 2 } })],
    ['leaves some out of the count', lines(...shown.slice(1), { end: { ...end.end, returned: 2 } })],
    ['has an end that is a number', lines(...shown, { end: 3 })],
    ['has a record that was not sent', lines({ record: employee('z') }, ...shown.slice(1), end)],
    ['has a record of another type', lines({ record: { ...employee('a'), type: 'user' } }, ...shown.slice(1), end)],
    ['has another order', lines(shown[1], shown[0], shown[2], end)],
    ['has a record twice', lines(shown[0], shown[0], shown[2], end)],
    ['has a record without properties', lines({ record: { type: 'employee', id: 'a' } }, ...shown.slice(1), end)],
    ['has an invalid line that was not sent', lines(...shown.slice(1), { invalid: { line: 9, code: 'x' } }, end)],
    ['has an invalid line that is answered', lines(...shown, { invalid: { line: 2, code: 'x' } }, end)],
    ['has obligations that can not be read', lines({ record: { ...records[0], obligations: {} } }, ...shown.slice(1), end)],
    ['is one JSON text', answerJson({ records, removed: 0 })],
    ['is a page', answerText(whole, 200, { 'content-type': 'text/html' })],
    ['is a part', answerText(whole, 206, { 'content-type': 'application/x-ndjson' })],
    ['was changed on its way', answerText(whole, 203, { 'content-type': 'application/x-ndjson' })],
    ['is a redirect', answerText('', 307, { location: '/elsewhere' })],
    ['is an error', answerText('{}', 503)],
    ['is cut off', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(shown[0])}\n`, () => response.socket?.destroy());
    }],
    ['is cut off before it begins', cutConnection],
    ['has bytes that are no text', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(Buffer.from(whole.replace('"name":"a"', '"name":"\xff"'), 'latin1'));
    }],
    ['has a line without end', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(`{"record": "${'x'.repeat(5 * 1024 * 1024)}`);
    }],
  ])('it %s', async (_name, reaction) => {
    service.react(reaction);
    expect(await fail(ask())).toMatchObject({ kind: 'unavailable' });
    // Records were taken from their source, so they can't be sent again.
    expect(service.requests.length).toBeLessThanOrEqual(1);
  }); // prettier-ignore

  it('however an answer is cut: no beginning of it is whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (length) => {
        service.react(text(whole.slice(0, length)));
        expect(await fail(ask())).toBeInstanceOf(RemitError);
      }),
      { numRuns: 60 },
    );
  });

  it('however it is divided: the whole is read the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), async (sizes) => {
        service.react((_request, response) => {
          response.writeHead(200, { 'content-type': 'application/x-ndjson' });
          let at = 0;
          for (let i = 0; at < whole.length; i += 1) response.write(whole.slice(at, (at += sizes[i % sizes.length] ?? 1)));
          response.end();
        });
        expect(await ask()).toEqual(records);
      }),
      { numRuns: 20 },
    );
  }); // prettier-ignore

  it('where the question is refused: at once, and in the middle', async () => {
    const context = { reasons: [{ code: 'token_expired' }] };
    service.react(lines({ end: { returned: 0, context } }));
    expect(await fail(ask())).toMatchObject({ kind: 'denied', code: 'token_expired' });
    service.react(lines(shown[0], { error: { code: 'question_refused' }, context }));
    expect(await fail(ask())).toMatchObject({ kind: 'denied', code: 'token_expired' });
  });

  it('leaves out a record with an obligation that is not carried out, and carries out the others', async () => {
    const carried: string[] = [];
    const oblige = (type: string, i: number) => ({ record: { ...records[i], obligations: [{ id: type, type, properties: {} }] } });
    service.react(lines(oblige('watermark', 0), oblige('note', 1), shown[2], end));
    let told: FilterEnd | undefined;
    const client = connect({ note: () => carried.push('note') });
    const streamed = await collect(client.filterStream({ ...question, records }, { onEnd: (value) => (told = value) }));
    expect([streamed.map(({ id }) => id), carried]).toEqual([['b', 'c'], ['note']]);
    expect(told).toMatchObject({ returned: 2, removed: 1 });
  }); // prettier-ignore

  it('keeps the names of so many records that wait for an answer, and no more: the oldest count as left out', async () => {
    const pad = 'x'.repeat(2_000);
    const ids = Array.from({ length: 12_000 }, (_, i) => `${i}${pad}`);
    const produce = () => ids.map((id) => ({ type: 'employee', id }));
    const answer = (at: number) =>
      lines(
        { record: employee(ids[at] ?? '') },
        { end: { id: 'i', returned: 1, removed: ids.length - 1, invalid: 0 } },
      );
    const read = () => collect(connect().filterStream({ ...question, records: produce() }));
    service.react(answer(ids.length - 1));
    expect((await read()).map(({ id }) => id)).toEqual(ids.slice(-1));
    service.react(answer(ids.length - 5_000));
    expect(await read()).toHaveLength(1);
    service.react(answer(0));
    expect(await fail(read())).toMatchObject({ kind: 'unavailable', code: 'answer' });
  });

  it('where nothing comes any more, and where it is given up', async () => {
    service.react(neverAnswer);
    expect(await fail(ask(100))).toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    service.react((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(shown[0])}\n`);
    });
    const stream = connect().filterStream({ ...question, records }, { signal: controller.signal });
    expect((await stream.next()).value).toMatchObject({ id: 'a' });
    controller.abort();
    expect(await fail(stream.next())).toMatchObject({ code: 'aborted' });
  });

  it('an end that comes before all is sent', async () => {
    const early = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write(`${JSON.stringify({ end: { id: 'i', returned: 0, removed: 0, invalid: 0 } })}\n`);
    });
    await new Promise<void>((resolve) => early.listen(0, '127.0.0.1', resolve));
    const client = createClient({ url: `http://127.0.0.1:${(early.address() as AddressInfo).port}`, key: 'k' });
    async function* waiting() {
      await new Promise(() => undefined);
      yield employee('a');
    }
    expect(await fail(collect(client.filterStream({ ...question, records: waiting() })))).toMatchObject({
      code: 'incomplete',
    });
    early.closeAllConnections();
    early.close();
  });
});

describe('another attempt at a stream', () => {
  const records = ['a', 'b', 'c'].map(employee);
  const service = new StandIn();
  beforeAll(() => service.start());
  afterAll(() => service.stop());
  const lines = [...records.map((record) => ({ record })), { end: { id: 'i', returned: 3, removed: 0, invalid: 0 } }];
  const type = { 'content-type': 'application/x-ndjson' };
  const whole = answerText(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), 200, type);
  const cutAfter =
    (text: string): Reaction =>
    (_request, response) => {
      response.writeHead(200, type).flushHeaders();
      if (text === '') response.socket?.destroy();
      else response.write(text, () => response.socket?.destroy());
    };
  const ask = (options: { idempotencyKey?: string } = {}, credential: string | (() => string) = 'k') =>
    collect(
      createClient({ url: service.url, credential }).filterStream({ ...question, records: records.values() }, options),
    );
  const key = { idempotencyKey: 'mine' }; // prettier-ignore

  it.each<[string, Reaction]>([
    ['that was cut off before it began', cutConnection],
    ['of which nothing but its head came', cutAfter('')],
    ['that was answered with 502', answerText('{}', 502)],
    ['that was answered with 503', answerText('{}', 503)],
    ['that was answered with 429', answerText('{}', 429)],
  ])('%s is made with the same key and the same records, and without a key only where none has been read', async (name, reaction) => {
    service.reactInTurn(reaction, whole);
    expect(await ask(key)).toEqual(records);
    expect(service.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine']);
    const [first, second] = service.requests;
    expect(second?.body.split('\n').length).toBe(5);
    // A body that was cut off may be shorter.
    expect(second?.body.startsWith(first?.body ?? '-')).toBe(true);
    service.reactInTurn(reaction, whole);
    if (name.endsWith('429')) expect(await ask()).toEqual(records);
    else expect(await fail(ask())).toMatchObject({ kind: 'unavailable' });
    expect(service.requests.length).toBe(name.endsWith('429') ? 2 : 1);
  }); // prettier-ignore

  it('is not made once a part has come, and says that it broke off', async () => {
    service.reactInTurn(cutAfter(`${JSON.stringify(lines[0])}\n`), whole);
    expect(await fail(ask(key))).toMatchObject({ kind: 'unavailable', code: 'incomplete' });
    expect(service.requests.length).toBe(1);
  });

  it('is made with another token after a 401, once', async () => {
    let issued = 0;
    const issue = () => `token-${(issued += 1)}`;
    service.reactInTurn(answerJson({}, 401), whole);
    expect(await ask({}, issue)).toEqual(records);
    expect(service.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', 'Bearer token-2']);
    service.react(answerJson({}, 401));
    expect(await fail(ask({}, issue))).toMatchObject({ kind: 'setup', code: 'credential' });
    expect(service.requests.length).toBe(2);
  });

  it('is not made where more was sent than is kept', async () => {
    service.reactInTurn(answerText('{}', 503), whole);
    const long = records.map((record) => ({ ...record, properties: { text: 'x'.repeat(2 * 1024 * 1024) } }));
    const client = createClient({ url: service.url, key: 'k' });
    const stream = client.filterStream({ ...question, records: long }, key);
    expect(await fail(collect(stream))).toMatchObject({ kind: 'unavailable', status: 503 });
    expect(service.requests.length).toBe(1);
  });

  it('sends every record once and in order, wherever the one before was cut off', async () => {
    let [cutAt, bodies] = [0, [] as string[]];
    const cutting = createServer((request, response) => {
      let body = '';
      const isFirst = bodies.length === 0;
      bodies.push('');
      request.on('error', () => undefined).on('data', (piece: Buffer) => {
        body += piece.toString('utf8');
        if (isFirst && body.length > cutAt) request.socket.destroy();
      });
      request.on('end', () => {
        bodies[bodies.length - 1] = body;
        if (isFirst) return void request.socket.destroy();
        const sent = body.split('\n').slice(1, -1).map((line) => ({ record: JSON.parse(line) as object }));
        const end = { end: { id: 'i', returned: sent.length, removed: 0, invalid: 0 } };
        response.writeHead(200, type).end([...sent, end].map((line) => `${JSON.stringify(line)}\n`).join(''));
      });
    });
    await new Promise<void>((resolve) => cutting.listen(0, '127.0.0.1', resolve));
    const client = createClient({ url: `http://127.0.0.1:${(cutting.address() as AddressInfo).port}`, key: 'k' });
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.nat(3_000), fc.boolean(), async (count, cut, isSlow) => {
        [cutAt, bodies] = [cut, []];
        const sent = Array.from({ length: count }, (_, i) => employee(`e${i}`));
        async function* produce() {
          for (const [i, record] of sent.entries()) {
            if (isSlow && i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
            yield record;
          }
        }
        const came = await collect(client.filterStream({ ...question, records: produce() }, key));
        expect([came, bodies.length]).toEqual([sent, 2]);
      }),
      { numRuns: 30 },
    );
    cutting.closeAllConnections();
    cutting.close();
  }); // prettier-ignore
});
