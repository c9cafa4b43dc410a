/** Reads an answer line by line, each as strict JSON: what is no line, is too long or has no line feed is no answer. */
import type { CallDeadline } from './deadline.js';
import { RemitUnavailable } from './errors.js';
import { JsonProblem, parseJson } from './strict-json.js';
import type { OpenedStream } from './transport.js';

/** A record that was sent is at most 256 KiB long. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024;

/**
 * @param deadline begins anew with each piece that comes
 * @throws RemitUnavailable; what `fetch` throws where the connection breaks
 */
export async function* readJsonLines(
  { status, first, reader }: OpenedStream,
  deadline: CallDeadline,
): AsyncGenerator<unknown, void, undefined> {
  if (reader === undefined) return;
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let pieces: string[] = [];
  let length = 0;
  for (let piece = first; ; piece = (await reader.read()).value) {
    const done = piece === undefined;
    deadline.restart();
    const text = decode(() => decoder.decode(piece, { stream: !done }));
    const lines = text.split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      yield parseLine([...pieces, line].join(''), status);
      pieces = [];
      length = 0;
    }
    pieces.push(rest);
    length += rest.length;
    if (length > MAX_LINE_LENGTH) throw new RemitUnavailable('too_long', { status });
    if (!done) continue;
    // A line that is cut off is none, also where what there is of it could be read.
    if (length > 0) throw new RemitUnavailable('incomplete', { status });
    return;
  }
}

function decode(read: () => string): string {
  try {
    return read();
  } catch {
    throw new RemitUnavailable('answer');
  }
}

function parseLine(line: string, status: number): unknown {
  try {
    return parseJson(line);
  } catch (error) {
    if (error instanceof JsonProblem || error instanceof SyntaxError) throw new RemitUnavailable('answer', { status });
    throw error;
  }
}
