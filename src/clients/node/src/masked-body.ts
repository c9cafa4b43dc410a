/** Masks an answer that is about to be sent. What isn't JSON, or is too long, can't be masked, and so isn't sent. */
import { applyMask, JsonProblem, parseExactJson, type Obligation } from 'remit-client';

/** The obligations that the adapters carry out themselves. */
export const CARRIED_OUT: readonly string[] = ['mask', 'visible_fields'];
export const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/** Headers that tell something of the unmasked answer: its length, or a hash of it to compare guesses with. */
export const TELLING_HEADERS: readonly string[] = [
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'content-range',
  'digest',
  'etag',
  'last-modified',
  'repr-digest',
];
/** Headers of a request that are answered by comparing with the unmasked answer, or with a part of it. */
export const COMPARING_HEADERS: readonly string[] = [
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
];

export function selectMasks(obligations: readonly Obligation[]): readonly Obligation[] {
  return obligations.filter(({ type }) => CARRIED_OUT.includes(type));
}

export interface AnswerHead {
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
}

/** @returns the body as it may be sent; undefined where it can't be masked */
export function maskBody(
  body: Uint8Array,
  { contentType = '', contentEncoding = 'identity' }: AnswerHead,
  masks: readonly Obligation[],
): string | undefined {
  if (body.byteLength === 0) return '';
  const isPlain = contentEncoding.trim().toLowerCase() === 'identity';
  const isJson = /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(contentType);
  if (!isPlain || !isJson) return undefined;
  try {
    const value = parseExactJson(new TextDecoder('utf-8', { fatal: true }).decode(body));
    // Nothing is all that it says.
    if (value === null) return 'null';
    return JSON.stringify(applyMask(value, masks, { anywhere: true }));
  } catch (error) {
    if (error instanceof JsonProblem || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Collects an answer that is sent in pieces, up to a length. */
export class BodyCollector {
  private readonly pieces: Uint8Array[] = [];
  private length = 0;

  constructor(private readonly maxBytes = DEFAULT_MAX_BYTES) {}

  /** @returns whether there is room for more; what is too long is let go of */
  add(piece: unknown, encoding?: BufferEncoding): boolean {
    const bytes =
      typeof piece === 'string' ? Buffer.from(piece, encoding) : piece instanceof Uint8Array ? piece : undefined;
    // A piece that is neither is nothing that could be masked.
    this.length = bytes === undefined ? Infinity : this.length + bytes.byteLength;
    if (this.length > this.maxBytes) this.pieces.length = 0;
    else if (bytes !== undefined) this.pieces.push(bytes);
    return this.length <= this.maxBytes;
  }

  /** @returns undefined where it was too long */
  get body(): Uint8Array | undefined {
    return this.length > this.maxBytes ? undefined : Buffer.concat(this.pieces);
  }
}

/** @returns the whole of a stream; undefined where it is too long, and then it is ended */
export async function collectStream(
  stream: AsyncIterable<unknown>,
  maxBytes?: number,
): Promise<Uint8Array | undefined> {
  const collector = new BodyCollector(maxBytes);
  for await (const piece of stream) if (!collector.add(piece)) return undefined;
  return collector.body;
}
