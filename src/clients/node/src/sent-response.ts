/** Tells when a response has been sent whole. One that was cut off tells nothing of what came of the decision. */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';

/** @param report called once, with the status, where the response comes to its end */
export function onceSent(response: ServerResponse, report: (status: number) => void): void {
  response.once('finish', () => {
    if (isSentWhole(response)) report(response.statusCode);
  });
}

/** @param response one that says it has finished: Node says so also where its caller left in the middle */
export function isSentWhole(response: ServerResponse): boolean {
  const { stream, req } = response as Partial<Pick<ServerResponse, 'req'>> & { readonly stream?: ServerHttp2Stream };
  if (stream === undefined) return response.writableFinished && req?.socket.destroyed !== true;
  return stream.writableFinished && stream.rstCode === 0 && !stream.aborted;
}
