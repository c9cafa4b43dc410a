/** One API, built with each framework: the routes say what they ask, and answer as a test wants them to. */
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Evaluation } from 'remit-client';
import type { GuardClient, SubjectAnswer } from 'remit-node';

/** What all frameworks tell of a request. */
export interface ApiRequest {
  readonly id: string;
  readonly header: (name: string) => string | undefined;
  readonly evaluation: Evaluation | undefined;
}
/** What a route answers, in a form that each framework sends in its own way. */
export interface ApiAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** How it is sent: as the framework's JSON, as text or bytes with the headers' type, in pieces, without an end, or not at all. */
  readonly as: 'json' | 'text' | 'bytes' | 'stream' | 'events' | 'nothing';
}
export interface ApiOptions {
  readonly client: GuardClient;
  readonly subject: (request: ApiRequest) => SubjectAnswer | Promise<SubjectAnswer>;
  readonly answer: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
  readonly token?: false;
  readonly publicUrl?: string;
  readonly outcome?: boolean;
  readonly maxMaskedBytes?: number;
  readonly unmaskedHeaders?: readonly string[];
  readonly onDenied?: (evaluation: Evaluation) => unknown;
  readonly onError?: (error: unknown) => void;
}
/**
 * An API on the loopback address: `GET /employees/:id` asks for `read`, `DELETE` for `delete`, `POST /employees/:id/export` for
 * `export`, with properties of the action from the body; `GET /health` is public.
 */
export interface Api {
  readonly url: string;
  readonly close: () => Promise<unknown>;
}
export interface Framework {
  readonly name: string;
  readonly start: (options: ApiOptions) => Promise<Api>;
  /** Starts an API with a route that neither asks nor is public. @throws what stops the start */
  readonly startUnguarded: (options: ApiOptions) => Promise<unknown>;
}

export const toBytes = (body: unknown): Buffer =>
  body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

/** The number of answers without an end that are still written. */
export const writing = { count: 0 };

/** Writes the same event until its reader goes. */
export function writeEvents(body: unknown): Readable {
  const events = async function* (): AsyncGenerator<string, void> {
    for (;;) {
      yield `data: ${JSON.stringify(body)}\n\n`;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  writing.count += 1;
  return Readable.from(events()).once('close', () => (writing.count -= 1));
}

/** Sends an answer with Node's own means, in the ways that a handler may take. */
export function sendRaw(response: ServerResponse, { status = 200, headers = {}, body, as }: ApiAnswer): void {
  if (as === 'nothing') {
    response.writeHead(status, headers).end();
    return;
  }
  const bytes = toBytes(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.flushHeaders();
  for (const byte of bytes) response.write(Buffer.of(byte));
  response.end();
}
