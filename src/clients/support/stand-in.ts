/** A service that misbehaves on purpose, for failures that the real one doesn't have. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
export type Reaction = (request: ReceivedRequest, response: ServerResponse) => void;

export class StandIn {
  readonly requests: ReceivedRequest[] = [];
  url = '';
  private readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const received = { method, path, headers, body: Buffer.concat(chunks).toString('utf8') };
      this.requests.push(received);
      this.reaction(received, response);
    });
  });
  private reaction: Reaction = (_request, response) => response.writeHead(500).end();

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Sets what happens from now on, and forgets what was received. */
  react(reaction: Reaction): void {
    this.requests.length = 0;
    this.reaction = reaction;
  }

  /** Reacts to the first request by the first, and so on; to all further ones by the last. */
  reactInTurn(...reactions: readonly Reaction[]): void {
    let turn = 0;
    this.react((request, response) => {
      reactions[Math.min(turn++, reactions.length - 1)]?.(request, response);
    });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export const answerText =
  (text: string, status = 200, headers: Record<string, string> = {}): Reaction =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
  };
export const answerJson = (body: unknown, status = 200, headers: Record<string, string> = {}): Reaction =>
  answerText(JSON.stringify(body), status, headers);
export const cutConnection: Reaction = (_request, response) => {
  response.socket?.destroy();
};
/** Sends half of an answer and cuts the connection. */
export const cutAnswer: Reaction = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
  response.write('{"decision": true', () => response.socket?.destroy());
};
export const neverAnswer: Reaction = () => undefined;

/** What is no allow, by name: each reaction to a question. */
export const FAILURES: Readonly<Record<string, Reaction>> = {
  'a text for the decision': answerText('{"decision": "true"}'),
  'a number for the decision': answerText('{"decision": 1}'),
  'no decision': answerText('{}'),
  'a list': answerText('[{"decision": true}]'),
  'a bare true': answerText('true'),
  'two decisions': answerText('{"decision": false, "decision": true}'),
  'two decisions, one escaped': answerText('{"decision": false, "\\u0064ecision": true}'),
  'duplicate keys deeper': answerText(
    '{"decision": true, "context": {"obligations": [{"type": "mask"}], "obligations": []}}',
  ),
  'a prototype': answerText('{"decision": true, "context": {"__proto__": {"obligations": []}}}'),
  'a context that is no object': answerText('{"decision": true, "context": "none"}'),
  'obligations that are no list': answerText('{"decision": true, "context": {"obligations": {"mask": {}}}}'),
  'an obligation without a type': answerText('{"decision": true, "context": {"obligations": [{"id": "x"}]}}'),
  'a mask that can not be read': answerText(
    '{"decision": true, "context": {"obligations": [{"id": "m", "type": "mask", "properties": {"fields": "salary"}}]}}',
  ),
  'a byte order mark and more': answerText('\ufeff{"decision": true}x'),
  'two answers': answerText('{"decision": true}{"decision": true}'),
  'half an answer': answerText('{"decision": true'),
  nothing: answerText(''),
  'bytes that are no text': (_request, response) => {
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(Buffer.from('{"decision": true, "x": "\xff"}', 'latin1'));
  },
  'a page of HTML': answerText('<html><body>{"decision": true}</body></html>', 200, { 'content-type': 'text/html' }),
  'JSON that says it is HTML': answerText('{"decision": true}', 200, { 'content-type': 'text/html' }),
  'a redirect': answerText('{"decision": true}', 302, { location: '/elsewhere' }),
  'a lasting redirect': answerText('{"decision": true}', 308, { location: '/elsewhere' }),
  ...Object.fromEntries(
    [201, 202, 203, 206, 299].map((status) => [
      `an allow with status ${status}`,
      answerText('{"decision": true, "evaluations": [{"decision": true}, {"decision": true}]}', status),
    ]),
  ),
  'an allow without content': answerText('', 204),
  'an allow with an error status': answerText('{"decision": true}', 500),
  'an allow with status 503': answerText('{"decision": true}', 503),
  'an allow with status 429': answerText('{"decision": true}', 429, { 'retry-after': '3600' }),
  'a huge answer': (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`{"decision": true, "x": "${'x'.repeat(5 * 1024 * 1024)}"}`);
  },
  'an answer that is nested too deeply': answerText(
    `{"decision": true, "x": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  ),
  'a cut connection': cutConnection,
  'a cut answer': cutAnswer,
  'no answer': neverAnswer,
};
/** What is denied although it says yes. */
export const BROKEN_PROMISES: Readonly<Record<string, Reaction>> = {
  'an unknown obligation': answerJson({
    decision: true,
    context: { obligations: [{ id: 'x', type: 'urn:example:watermark', properties: {} }] },
  }),
};
