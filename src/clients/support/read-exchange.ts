/** Reads all that comes of a request on the wire, also what `fetch` doesn't tell: hints before the answer, its reason and its trailers. */
import { request } from 'node:http';

export interface Exchange {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly hints: readonly object[];
  readonly trailers: object;
  readonly text: string;
}

/** @returns 'cut' where the connection broke before the end */
export function readExchange(url: string): Promise<Exchange | 'cut'> {
  return new Promise((resolve) => {
    const hints: object[] = [];
    const cut = (): void => resolve('cut');
    const sent = request(url, { headers: { te: 'trailers' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('error', cut).on('end', () => {
        const { statusCode: status = 0, statusMessage: reason = '', headers, trailers } = response;
        resolve({ status, reason, headers, hints, trailers, text });
      });
    });
    sent.on('information', ({ headers }) => hints.push(headers));
    sent.on('error', cut).end();
  });
}
