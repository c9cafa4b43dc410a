/** A key server on this machine that answers as it is told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export interface KeyServer {
  readonly url: string;
  readonly port: number;
  hits: number;
  answer: Answer;
  close(): void;
}

export async function serveKeys(address = '127.0.0.1'): Promise<KeyServer> {
  const server: Server = createServer((request, response) => {
    own.hits += 1;
    own.answer(response, request);
  });
  await new Promise<void>((listening) => server.listen(0, address, listening));
  const { port } = server.address() as AddressInfo;
  const own: KeyServer = {
    url: `http://127.0.0.1:${port}/jwks`,
    port,
    hits: 0,
    answer: () => undefined,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return own;
}

/** An answer of JSON, or of a text that should be some. */
export const json =
  (value: unknown): Answer =>
  (response) => {
    response.setHeader('content-type', 'application/jwk-set+json');
    response.end(typeof value === 'string' ? value : JSON.stringify(value));
  };

/** An answer beneath HTTP: what no honest server would write. */
export const raw =
  (text: string): Answer =>
  (response) => {
    response.socket?.end(text);
  };
