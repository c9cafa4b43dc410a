/** A receiver of webhooks on this machine that answers as it is told, and keeps what it was sent. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WebhookEndpoint } from '../../src/notify/webhook-endpoint.js';

export interface ReceivedMessage {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly path: string;
}

export interface WebhookReceiver {
  readonly port: number;
  readonly messages: ReceivedMessage[];
  answer: (response: ServerResponse, message: ReceivedMessage) => void;
  readonly endpoint: (more?: Partial<WebhookEndpoint>) => WebhookEndpoint;
  readonly close: () => void;
}

export const SECRET = Buffer.alloc(32, 9);
export const take = (response: ServerResponse): void => {
  response.statusCode = 204;
  response.end();
};

export async function receiveWebhooks(): Promise<WebhookReceiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const message = { headers: request.headers, body: Buffer.concat(chunks).toString(), path: request.url ?? '' };
      own.messages.push(message);
      own.answer(response, message);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const own: WebhookReceiver = {
    port,
    messages: [],
    answer: take,
    endpoint: (more = {}) => ({
      url: `http://127.0.0.1:${port}/hook`,
      secrets: [SECRET],
      events: ['consent.given'],
      network: 'public',
      ...more,
    }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return own;
}

/** Whether the message is signed as a receiver would check it. */
export function isSigned({ headers, body }: ReceivedMessage, secret = SECRET): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const expected = `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(expected);
}
