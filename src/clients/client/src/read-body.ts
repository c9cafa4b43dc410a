/** Reads the body of an answer as strict JSON, and no more of it than an answer may have. */
import { RemitUnavailable } from './errors.js';
import { JsonProblem, parseJson } from './strict-json.js';

/** Counted as it is read, so that a compressed answer can't be longer. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** @throws RemitUnavailable where it is too long or no JSON; what `fetch` throws where the connection breaks */
export async function readJsonBody(response: Response, maxBytes = MAX_ANSWER_BYTES): Promise<unknown> {
  const type = response.headers.get('content-type') ?? '';
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type)) {
    await dropBody(response);
    throw new RemitUnavailable('answer', { status: response.status });
  }
  const bytes = await readBytes(response, maxBytes);
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof JsonProblem || error instanceof SyntaxError || error instanceof TypeError)
      throw new RemitUnavailable('answer', { status: response.status });
    throw error;
  }
}

async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = (await reader.read()) as { readonly done: boolean; readonly value?: Uint8Array };
    if (done || value === undefined) return Buffer.concat(chunks);
    length += value.byteLength;
    if (length > maxBytes) {
      await reader.cancel().catch(() => undefined);
      throw new RemitUnavailable('too_long', { status: response.status });
    }
    chunks.push(value);
  }
}

/** Lets go of a body that isn't read, so that its connection is free. */
export async function dropBody(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}
