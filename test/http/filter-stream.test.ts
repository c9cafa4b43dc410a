/** The filter as a stream: what the list form answers, however long it is; and one that fails never looks like a whole one. */
import { connect, type AddressInfo, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clientNamed, DAYTIME, startWith, type Running } from '../support/sample.js';

interface Line {
  readonly record?: { readonly type: string; readonly id: string; readonly properties: Record<string, unknown> };
  readonly invalid?: { readonly line: number; readonly reason: string; readonly code: string; readonly at?: string };
  readonly end?: { id?: string; returned: number; removed?: number; invalid?: number; context?: Context };
  readonly error?: { readonly code: string };
  readonly context?: Context;
}
interface Context {
  readonly reasons: readonly { readonly code: string }[];
}
interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly lines: readonly Line[];
  /** Whether the transfer came to its end. */
  readonly isWhole: boolean;
}

const LINES = 'application/x-ndjson';
const SCOPES = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
const toLines = (...values: readonly (object | string)[]): string =>
  values.map((value) => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join('');
const employee = (id: string, properties: object = { salary: 1, name: 'X' }): object => ({
  type: 'employee',
  id,
  properties,
});
const repeat = (count: number, record = employee('erin')): string => toLines(record).repeat(count); // prettier-ignore

type Company = Running & { readonly address: string };
/** Its clients may ask as often as they like, unless the rate says otherwise, and no machine is too slow for its decisions. */
const startCompany = async (limits: object = {}, rate = 1_000_000): Promise<Company> => {
  const may = ['filter', 'evaluate', 'admin'];
  const clients = [{ ...clientNamed('one', 'remit', ...may), rate }, clientNamed('two', 'remit', 'filter')];
  const company = await startWith({
    issuers: [],
    clients,
    limits: { agent_rate: 1_000_000, deadline_ms: 30_000, ...limits },
  });
  return { ...company, address: await company.app.listen({ host: '127.0.0.1', port: 0 }) };
};
let remit: Company;
beforeAll(async () => {
  remit = await startCompany();
  return () => remit.stop();
});
const started: Company[] = [];
afterEach(async () => {
  for (const company of started.splice(0)) await company.stop();
});
const startLimited = async (limits: object, rate?: number): Promise<Company> => {
  const company = await startCompany(limits, rate);
  started.push(company);
  return company;
};

const ask = async (change: object = {}, of: Running = remit): Promise<Record<string, unknown>> => ({
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  context: { token: await of.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES, audience: 'remit' }) },
  ...change,
});
const read = async (response: Response): Promise<Answered> => {
  const { status, headers, body } = response;
  let text = '';
  let isWhole = true;
  try {
    for await (const piece of body ?? []) text += Buffer.from(piece).toString();
  } catch {
    isWhole = false;
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return { status, headers, lines: lines.map((line) => JSON.parse(line) as Line), isWhole };
};
interface Sent {
  readonly to?: string;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}
const post = (
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  { to = remit.address, key = 'one-key', headers = {}, signal }: Sent = {},
) =>
  fetch(`${to}/v1/filter`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': LINES, ...headers },
    body,
    duplex: 'half',
    ...(signal === undefined ? {} : { signal }),
  });
const filter = async (body: string, sent: Sent = {}): Promise<Answered> => read(await post(body, sent));
/** What else the first client asks. */
const call = async (to: string, method: string, path: string, body?: object): Promise<readonly [number, unknown]> => {
  const response = await fetch(to + path, {
    method,
    headers: { authorization: 'Bearer one-key', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return [response.status, await response.json()];
};
const jtiOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti;
/** A stream that is written while it is answered. */
const openStream = (sent: Sent = {}) => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const response = post(readable, sent);
  return {
    response,
    write: (text: string) => writer.write(Buffer.from(text)),
    end: () => writer.close(),
    abort: () => writer.abort().catch(() => undefined),
  };
};
/** Reads until as many lines have come, and gives what reads the rest. */
const readLines = async (response: Response, count: number) => {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  let text = '';
  while (text.split('\n').length <= count) text += Buffer.from((await reader.read()).value ?? []).toString();
  const rest = async (): Promise<{ lines: Line[]; isWhole: boolean }> => {
    const before = text.length;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read())
        text += Buffer.from(part.value).toString();
      return { lines: parseLines(text.slice(before)), isWhole: true };
    } catch {
      return { lines: parseLines(text.slice(before)), isWhole: false };
    }
  };
  return rest;
};
const parseLines = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
const endOf = ({ lines }: { readonly lines: readonly Line[] }): Line | undefined => lines.at(-1);
/** All that a connection is answered until it ends, as it stands on the wire. */
const onWire = (of: Running, key: string, head: readonly string[], write: (socket: Socket) => void): Promise<string> =>
  new Promise((resolve) => {
    const { port } = of.app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (piece: Buffer) => (answer += piece.toString())).on('error', () => undefined);
    socket.on('close', () => {
      resolve(answer);
    });
    const lines = ['POST /v1/filter HTTP/1.1', `Host: 127.0.0.1:${port}`, `Authorization: Bearer ${key}`, ...head];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    write(socket);
  });
const HEAD = [`Content-Type: ${LINES}`, 'Transfer-Encoding: chunked'];
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const isAtRest = async (of: Running): Promise<void> => {
  await expect
    .poll(() => of.app.health.admission.stats(), { timeout: 20_000 })
    .toMatchObject({ inFlight: 0, bodyBytes: 0 });
};

describe('a stream', () => {
  it('answers what the list form answers, masked in the same way, each line in its place', async () => {
    const question = await ask();
    const stated = fc.oneof(
      fc.record({
        type: fc.constantFrom('employee', 'employee', 'employee', 'repository', 'spaceship'),
        id: fc.constantFrom('erin', 'dave', 'zoe', 'ghost', 'handbook', ''),
        properties: fc.constantFrom(null, {}, { name: 'N', salary: 1, ssn: 'x' }, { status: 'sealed' }, { status: 7 }),
      }),
      fc.constantFrom(null, 7, 'text', [], {}),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(stated, { maxLength: 20 }), async (records) => {
        const list = (await call(remit.address, 'POST', '/v1/filter', { ...question, records }))[1] as {
          records: object[];
          removed: Record<string, number>;
          invalid?: { index: number; message: string }[];
          context?: object;
        };
        const { lines, isWhole, headers } = await filter(
          toLines(question, ...records.map((record) => JSON.stringify(record))),
        );
        const id = headers.get('remit-decision-id');
        expect([isWhole, lines.flatMap((line) => line.record ?? [])]).toEqual([true, list.records]);
        const removed = Object.values(list.removed).reduce((sum, count) => sum + count, 0);
        const invalid = list.invalid ?? [];
        expect(endOf({ lines })).toEqual({
          end:
            list.context === undefined
              ? { id, returned: list.records.length, removed, invalid: invalid.length }
              : { returned: 0, context: list.context },
        });
        if (list.context === undefined)
          expect(lines.flatMap((line) => line.invalid ?? []).map(({ line, reason }) => [line, reason])).toEqual(
            invalid.map(({ index, message }) => [index + 2, message]),
          );
      }),
      { numRuns: 25 },
    );
  });

  it('names each wrong line, and answers those around it', async () => {
    const wrong: readonly (readonly [string | Buffer, string, string?])[] = [
      ['nonsense', 'malformed_json'],
      ['{"type":"employee","id":"erin"', 'malformed_json'],
      ['{"type":"employee","id":"erin","id":"zoe"}', 'malformed_json', 'id'],
      ['{"type":"employee","id":"er\\u0000in"}', 'malformed_json', 'id'],
      ['{"type":"employee","id":"er\\ud800"}', 'malformed_json', 'id'],
      [Buffer.from([0x22, 0xff, 0x22]), 'malformed_json'],
      ['\ufeff{"type":"employee","id":"erin"}', 'malformed_json'],
      [`{"type":"employee","id":"erin","properties":${'['.repeat(40)}${']'.repeat(40)}}`, 'malformed_json', 'properties[0][0][0][0][0][0][0]'], // prettier-ignore
      ['{"type":"employee","id":"erin","properties":{"salary":9007199254740993}}', 'malformed_json', 'properties.salary'], // prettier-ignore
      ['{"type":"employee","id":"erin"} {"type":"employee","id":"dave"}', 'malformed_json'],
      ['[]', 'bad_request'],
      ['"erin"', 'bad_request'],
      ['{"type":"employee","id":"erin","properties":7}', 'bad_request', 'properties'],
      [JSON.stringify(employee('erin', { name: 'x'.repeat(33_000) })), 'bad_request'],
      [JSON.stringify(employee('erin', { name: 'x'.repeat(5 * 1024 * 1024) })), 'line_too_long'],
      // A second question is no record.
      [JSON.stringify(await ask()), 'bad_request', 'type'],
    ];
    const good = `${JSON.stringify(employee('erin'))}\n`;
    const body = Buffer.concat([
      Buffer.from(toLines(await ask()) + good),
      ...wrong.flatMap(([line]) => [Buffer.from(line), Buffer.from(`\n${good}`)]),
    ]);
    const { lines, isWhole } = await read(await post(new Uint8Array(body)));
    const kinds = lines.map((line) => (line.record === undefined ? line.invalid?.line : 'erin'));
    expect(kinds).toEqual(['erin', ...wrong.flatMap((_, i) => [3 + 2 * i, 'erin']), undefined]);
    expect(lines.flatMap(({ invalid }) => (invalid === undefined ? [] : [[invalid.code, invalid.at]]))).toEqual(
      wrong.map(([, code, at]) => [code, at]),
    );
    expect([isWhole, endOf({ lines })?.end]).toMatchObject([true, { returned: wrong.length + 1, invalid: wrong.length }]);
  }); // prettier-ignore

  it('is decided in parts of 1,000 lines, each of which is on record by its number', async () => {
    const company = await startLimited({});
    const body = toLines(await ask({}, company)) + repeat(1500) + repeat(1, employee('zoe')) + repeat(999);
    const { lines, headers } = await filter(body, { to: company.address, key: 'one-key' });
    const id = headers.get('remit-decision-id') ?? '';
    expect(endOf({ lines })).toEqual({ end: { id, returned: 2499, removed: 1, invalid: 0 } });
    const parts = [];
    for (let i = 0; i < 4; i += 1) {
      const [status, part] = await call(company.address, 'GET', `/v1/decisions/${id}.${i}`);
      const { found, request, revision } = part as { found?: number; request?: { records: number }; revision?: string }; // prettier-ignore
      parts.push([status, found, request?.records, typeof revision]);
    }
    expect(parts).toEqual([
      [200, 1000, 1000, 'string'],
      [200, 999, 1000, 'string'],
      [200, 500, 500, 'string'],
      [404, undefined, undefined, 'undefined'],
    ]);
  });

  it('is answered while it is sent, also where it is compressed', async () => {
    for (const encoding of ['identity', 'gzip', 'br']) {
      const stream = openStream({ headers: { 'accept-encoding': encoding } });
      await stream.write(toLines(await ask()) + repeat(1000));
      const response = await stream.response;
      expect(response.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding);
      const rest = await readLines(response, 1000);
      await stream.write(repeat(1));
      await stream.end();
      const { lines, isWhole } = await rest();
      expect([lines.length, isWhole, endOf({ lines })?.end?.returned]).toEqual([2, true, 1001]);
    }
  });

  it('keeps its connection for the next request', async () => {
    const text = toLines(await ask()) + repeat(2);
    const head = ['Content-Type: application/x-ndjson', 'Transfer-Encoding: chunked'];
    const answer = await onWire(remit, 'one-key', head, (socket) => {
      const { port } = remit.app.server.address() as AddressInfo;
      const again = ['POST /v1/filter HTTP/1.1', `Host: 127.0.0.1:${port}`, 'Authorization: Bearer one-key', ...head, 'Connection: close']; // prettier-ignore
      socket.write(`${chunk(text)}0\r\n\r\n`);
      socket.write(`${again.join('\r\n')}\r\n\r\n${chunk(text)}0\r\n\r\n`);
    });
    expect(answer.match(/"returned":2/g)).toHaveLength(2);
    expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(2);
  });

  it('uses limits record by record, and a repeated one with its key nothing twice', async () => {
    const question = await ask({ action: { name: 'export' } }, remit);
    question['subject'] = { type: 'user', id: 'bob' };
    question['context'] = { token: await remit.mint({ user: 'bob', agent: 'payroll-exporter', scope: SCOPES }) };
    const body = toLines(question) + repeat(1050, employee('zoe'));
    const dry =
      toLines({ ...question, context: { ...(question['context'] as object), dry_run: true } }) +
      repeat(1050, employee('zoe'));
    const count = async (text: string, headers: Record<string, string> = {}) => {
      const { end } = endOf(await filter(text, { headers })) ?? {};
      return [end?.returned, end?.removed];
    };
    expect(await count(dry)).toEqual(await count(dry));
    const first = await count(body, { 'idempotency-key': 'k1' });
    expect(first).toEqual([100, 950]);
    expect(await count(body, { 'idempotency-key': 'k1' })).toEqual(first);
    expect(await count(body)).toEqual([0, 1050]);
  });
});

describe('a question', () => {
  it('that is refused is told so, and nothing else, whatever follows it', async () => {
    for (const [change, code] of [
      [{ context: { token: 'x.y.z' } }, 'token_malformed'],
      [{ context: {} }, 'token_missing'],
      [{ subject: { type: 'user', id: 'dave' } }, 'subject_mismatch'],
      [{ action: { name: 'fly' } }, 'action_unknown'],
    ] as const) {
      const question = await ask(change);
      const { lines, isWhole, headers } = await filter(toLines(question, 'nonsense') + repeat(1500));
      expect([lines.length, isWhole, headers.get('remit-decision-id')?.length]).toEqual([code === 'action_unknown' ? 2 : 1, true, 36]); // prettier-ignore
      const { end } = endOf({ lines }) ?? {};
      expect(end).toEqual({ returned: 0, context: expect.any(Object) as object });
      expect(end?.context?.reasons[0]?.code).toBe(code);
    }
  });

  it('that is refused for some types of records is asked of the others', async () => {
    const unknown = toLines({ type: 'spaceship', id: 'x' }).repeat(1000);
    const { lines } = await filter(toLines(await ask()) + unknown + repeat(1) + unknown);
    expect(endOf({ lines })?.end).toMatchObject({ returned: 1, removed: 2000, invalid: 0 });
  });

  it.each([
    ['is none', 'nonsense\n', 400, 'malformed_json', undefined],
    ['is absent', '', 400, 'bad_request', 'subject'],
    ['is empty', '\n\n', 400, 'malformed_json', undefined],
    ['is no object', '[]\n', 400, 'bad_request', undefined],
    ['has a list of records', '{"subject":{"type":"user","id":"a"},"action":{"name":"read"},"records":[]}\n', 400, 'bad_request', 'records'], // prettier-ignore
    ['has no action', '{"subject":{"type":"user","id":"a"}}\n', 400, 'bad_request', 'action'],
    ['names a member twice', '{"subject":{},"subject":{}}\n', 400, 'malformed_json', 'subject'],
    ['names what is no snapshot', '{"subject":{"type":"user","id":"a"},"action":{"name":"read"},"context":{"consistency":{"at_least":"x"}}}\n', 400, 'bad_request', 'context.consistency.at_least'], // prettier-ignore
    ['is too long', `"${'x'.repeat(1024 * 1024)}"\n`, 413, 'body_too_large', undefined],
  ])('that %s is refused before anything is answered', async (_name, line, status, code, at) => {
    const { lines, ...answer } = await filter(line + repeat(3));
    expect([answer.status, lines[0]?.error]).toMatchObject([status, { code, ...(at === undefined ? {} : { at }) }]);
  });

  it.each([
    ['application/x-ndjson; charset=utf-8', 200],
    ['Application/X-NDJSON ;charset="UTF-8"', 200],
    ['application/x-ndjson; charset=utf-16', 400],
    ['application/x-ndjson, application/json', 400],
    ['application/x-ndjson+json', 400],
    ['application/ndjson', 400],
    ['text/plain', 400],
    // Lines are no JSON.
    ['application/json', 400],
  ])('of the type %s is answered %i', async (type, status) => {
    expect((await post(toLines(await ask()) + repeat(1), { headers: { 'content-type': type } })).status).toBe(status);
  });

  it.each(['gzip', 'br', 'identity, gzip'])('that is compressed, as %s, is not read', async (encoding) => {
    const answer = await filter(toLines(await ask()), { headers: { 'content-encoding': encoding } });
    expect([answer.status, answer.lines[0]?.error?.code]).toEqual([415, 'content_encoding']);
  });

  it('is for this route: others take no lines', async () => {
    const headers = { authorization: 'Bearer one-key', 'content-type': LINES };
    for (const path of ['/access/v1/evaluation', '/access/v1/evaluations', '/v1/relationships']) {
      const response = await fetch(remit.address + path, { method: 'POST', headers, body: toLines(await ask()) });
      expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'content_type' } }]);
    }
  });
});

describe('a stream that fails in the middle', () => {
  /** What is answered after something fails behind the first part; on the wire, since clients may drop the last line. */
  const failing = async (of: Company, fail: (token: string) => unknown, isSentOn = true) => {
    const question = await ask({}, of);
    let write: (text: string) => void = () => undefined;
    let answer = '';
    const whole = onWire(of, 'one-key', HEAD, (socket) => {
      socket.on('data', (piece: Buffer) => (answer += piece.toString()));
      write = (text) => socket.write(text);
      write(chunk(toLines(question) + repeat(1000)));
    });
    await expect.poll(() => answer.match(/"record"/g)?.length, { timeout: 60_000 }).toBe(1000);
    const failed = fail((question['context'] as { token: string }).token);
    if (isSentOn) {
      await failed;
      write(`${chunk(repeat(1000))}0\r\n\r\n`);
    }
    const lines = (await whole).split(/\r?\n/).filter((line) => line.startsWith('{'));
    await failed;
    return {
      lines: lines.slice(1000).map((line) => JSON.parse(line) as Line),
      isWhole: answer.endsWith('0\r\n\r\n'),
    };
  };

  it.each([
    ['the token is revoked', 'token_revoked', (of, token) => call(of.address, 'POST', '/v1/revocations', { jti: jtiOf(token) })],
    ['the token expires', 'token_expired', (of) => { of.at(new Date(DAYTIME.getTime() + 600_000)); }],
    ['the delegation ends', 'delegation_missing', (of) =>
      call(of.address, 'POST', '/v1/relationships', { updates: [{ operation: 'delete', relationship: 'agent:hr-assistant#delegator@user:alice' }] })],
  ] satisfies [string, string, (of: Company, token: string) => unknown][])('has no end where %s, and breaks', async (_name, code, fail) => {
    const company = await startLimited({});
    const { lines, isWhole } = await failing(company, async (token) => {
      const answer = await fail(company, token);
      if (answer !== undefined) expect(answer[0], JSON.stringify(answer)).toBeLessThan(300);
    });
    expect([lines.length, isWhole, lines[0]?.error?.code]).toEqual([1, false, 'question_refused']);
    expect(lines[0]?.context?.reasons[0]?.code).toBe(code);
    await isAtRest(company);
  }); // prettier-ignore

  it('has no end where an engine is gone', async () => {
    const company = await startLimited({});
    const { lines, isWhole } = await failing(company, () => company.crashSpiceDb());
    expect([lines.length, isWhole, lines[0]?.error?.code]).toEqual([1, false, 'relationships_unavailable']);
    await isAtRest(company);
  });

  it('has no end where the service stops, which waits for no sender', async () => {
    const company = await startLimited({});
    const { lines, isWhole } = await failing(company, () => company.app.close(), false);
    expect([lines.map(({ error }) => error?.code), isWhole]).toEqual([['stopping'], false]);
  });

  it('is not answered where its sender breaks off in the middle of a line, and nothing of it is kept', async () => {
    const company = await startLimited({});
    const text = toLines(await ask({}, company)) + repeat(10) + '{"type":"empl';
    const answer = await onWire(company, 'one-key', HEAD, (socket) =>
      socket.write(chunk(text), () => socket.destroy()),
    );
    expect(answer).toBe('');
    await isAtRest(company);
    // A body that ends there is whole, and its last line wrong.
    const { lines } = await filter(text, { to: company.address, key: 'one-key' });
    expect(endOf({ lines })?.end).toMatchObject({ returned: 10, invalid: 1 });
  }); // prettier-ignore

  it('ends where its sender sends no line, however many bytes', async () => {
    const company = await startLimited({ stream_idle_ms: 400 });
    const question = toLines(await ask({}, company));
    for (const begin of ['', question, question + repeat(1000)]) {
      let dripping: NodeJS.Timeout | undefined;
      const answer = await onWire(company, 'one-key', HEAD, (socket) => {
        if (begin !== '') socket.write(chunk(begin));
        dripping = setInterval(() => socket.write(chunk('x'.repeat(100))), 20);
      }); // prettier-ignore
      clearInterval(dripping);
      expect(answer).toContain('"code":"request_timeout"');
      expect(answer).not.toContain('"end"');
      expect(answer.startsWith(begin.length > 10_000 ? 'HTTP/1.1 200' : 'HTTP/1.1 408')).toBe(true);
    }
    await isAtRest(company);
  });

  it('ends after its time', async () => {
    const company = await startLimited({ stream_ms: 1000 });
    const question = toLines(await ask({}, company));
    let sending: NodeJS.Timeout | undefined;
    const answer = await onWire(company, 'one-key', HEAD, (socket) => {
      socket.write(chunk(question));
      sending = setInterval(() => socket.write(chunk(repeat(1))), 20);
    }); // prettier-ignore
    clearInterval(sending);
    expect(answer).toContain('"code":"stream_timeout"');
    await isAtRest(company);
  });

  it('ends where its reader takes nothing', async () => {
    const company = await startLimited({ stream_idle_ms: 400 });
    const { port } = company.app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.pause();
    const head = ['POST /v1/filter HTTP/1.1', `Host: 127.0.0.1:${port}`, 'Authorization: Bearer one-key', `Content-Type: ${LINES}`, 'Transfer-Encoding: chunked']; // prettier-ignore
    socket.write(`${head.join('\r\n')}\r\n\r\n${chunk(toLines(await ask({}, company)))}`);
    const part = chunk(repeat(1000, employee('erin', { name: 'x'.repeat(3_000) })));
    for (let i = 0; i < 20; i += 1) socket.write(part);
    socket.write('0\r\n\r\n');
    await expect.poll(() => company.app.health.admission.stats().bodyBytes, { timeout: 20_000 }).toBeGreaterThan(0);
    await isAtRest(company);
    await expect
      .poll(() => new Promise((resolve) => company.app.server.getConnections((_error, count) => resolve(count))), {
        timeout: 20_000,
      })
      .toBe(0);
    socket.destroy();
  });
});

describe('a careless or hostile client', () => {
  it('may send a million empty lines, which are no records', async () => {
    const company = await startLimited({});
    const body = `${toLines(await ask({}, company))}${'\n'.repeat(500_000)}${' \r\n'.repeat(500_000)}${repeat(1)}x\n`;
    const { lines } = await filter(body, { to: company.address, key: 'one-key' });
    expect(lines.map((line) => Object.keys(line)[0])).toEqual(['record', 'invalid', 'end']);
    expect(lines[1]?.invalid?.line).toBe(1_000_003);
  });

  it('that reads nothing is not worked for, and what it has not read it is not told after a revocation', async () => {
    const company = await startLimited({});
    const question = await ask({}, company);
    const jti = jtiOf((question['context'] as { token: string }).token);
    const { port } = company.app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.pause();
    const head = ['POST /v1/filter HTTP/1.1', `Host: 127.0.0.1:${port}`, 'Authorization: Bearer one-key', `Content-Type: ${LINES}`, 'Transfer-Encoding: chunked']; // prettier-ignore
    socket.write(`${head.join('\r\n')}\r\n\r\n${chunk(toLines(question))}`);
    const part = chunk(repeat(1000, employee('erin', { name: 'x'.repeat(3_000) })));
    const PARTS = 40;
    for (let i = 0; i < PARTS; i += 1) socket.write(part);
    socket.write('0\r\n\r\n');
    const countParts = async (): Promise<number> => {
      const [rows] = await company.service.database.run([{ sql: `select count(*)::int as n from records where record->>'search' = 'filter'` }]); // prettier-ignore
      return Number(rows?.[0]?.['n']);
    };
    await expect.poll(countParts, { timeout: 30_000 }).toBeGreaterThan(1);
    // It waits for its reader once the system's buffers are full.
    let [before, now] = [0, await countParts()];
    while (now !== before) {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      [before, now] = [now, await countParts()];
    }
    expect(now).toBeLessThan(PARTS / 2);
    expect(company.app.health.admission.stats().bodyBytes).toBeLessThan(12 * 1024 * 1024);
    expect((await call(company.address, 'POST', '/v1/revocations', { jti }))[0]).toBeLessThan(300);
    let answer = '';
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('data', (piece: Buffer) => (answer += piece.toString())).resume();
    await closed;
    expect(answer).toContain('"code":"question_refused"');
    expect(answer).not.toContain('"end"');
    expect(answer.endsWith('0\r\n\r\n')).toBe(false);
    expect(answer.match(/"record"/g)?.length).toBeLessThanOrEqual(1000 * (now + 1));
    await isAtRest(company);
  });

  it('has only so many streams at one time, and those that it leaves are over', async () => {
    const company = await startLimited({ streams: 2 });
    const question = toLines(await ask({}, company));
    const sent = { to: company.address, key: 'one-key' };
    const leaving = new AbortController();
    const stream = openStream({ ...sent, signal: leaving.signal });
    await stream.write(question + repeat(1000));
    const first = await stream.response;
    const refused = await filter(question, sent);
    expect([refused.status, refused.headers.get('retry-after'), refused.lines[0]?.error?.code]).toEqual([503, '1', 'overloaded']); // prettier-ignore
    // Another client's is not refused, nor is what else the client asks.
    expect((await filter(question + repeat(1), { ...sent, key: 'two-key' })).status).toBe(200);
    expect(first.status).toBe(200);
    leaving.abort();
    await expect.poll(async () => (await filter(question + repeat(1), sent)).status, { timeout: 20_000 }).toBe(200);
    await isAtRest(company);
  });

  it('never waits for another stream without an end, however many ask for all the room there is', async () => {
    const company = await startLimited({});
    const sent = { to: company.address, key: 'one-key' };
    // No record may be seen, so nothing is answered that would have to be read.
    const body = toLines(await ask({}, company)) + repeat(300, employee('nobody', { name: 'x'.repeat(30_000) }));
    const all = await Promise.all(Array.from({ length: 24 }, () => filter(body, sent)));
    expect(all.map(({ lines, isWhole }) => [isWhole, endOf({ lines })?.end?.removed])).toEqual(
      all.map(() => [true, 300]),
    );
    await isAtRest(company);
  });

  it('is told its id before there is a line to answer', async () => {
    const company = await startLimited({});
    const stream = openStream({ to: company.address, key: 'one-key' });
    await stream.write(toLines(await ask({}, company)) + repeat(1000, employee('nobody')));
    const response = await stream.response;
    expect([response.status, response.headers.get('remit-decision-id')]).toEqual([200, expect.any(String)]);
    await stream.end();
    expect((await read(response)).lines).toEqual([
      { end: expect.objectContaining({ returned: 0, removed: 1000 }) as object },
    ]);
  });

  it('that has used up its rate waits, and is answered in the end', async () => {
    const company = await startLimited({}, 100);
    const body = toLines(await ask({}, company)) + repeat(2500);
    const { lines, isWhole } = await filter(body, { to: company.address, key: 'one-key' });
    expect([isWhole, endOf({ lines })?.end?.returned]).toEqual([true, 2500]);
  });
});

it('the OpenAPI document shows lines that are answered, and what they are answered', async () => {
  const document = (await (await fetch(`${remit.address}/openapi.json`)).json()) as {
    paths: Record<string, { post: { requestBody: { content: Content }; responses: Record<string, { content: Content }> } }>;
  };
  type Content = Record<string, { schema: { example?: string; type?: string } }>;
  const { requestBody, responses } = document.paths['/v1/filter']?.post ?? {};
  for (const content of [requestBody?.content, responses?.['200']?.content])
    expect(Object.keys(content ?? {})).toEqual(['application/json', LINES]);
  const { lines, isWhole } = await filter(requestBody?.content[LINES]?.schema.example ?? '');
  expect([isWhole, endOf({ lines })?.end]).toMatchObject([true, { returned: 0 }]);
  const shown = parseLines(responses?.['200']?.content[LINES]?.schema.example ?? '');
  expect(endOf({ lines: shown })?.end).toMatchObject({ returned: 1 });
}); // prettier-ignore
