/** Masks an answer that is about to be sent. What isn't JSON, or is too long, can't be masked, and so isn't sent. */
import { STATUS_CODES } from 'node:http';
import { JsonProblem, maskJson, MASKING_TYPES, type Obligation } from 'remit-client';

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

export function selectMasks(obligations: readonly Obligation[]): readonly Obligation[] {
  return obligations.filter(({ type }) => MASKING_TYPES.includes(type));
}

export interface AnswerHead {
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly status: number;
  /** Whether it has a `Location`. */
  readonly leadsElsewhere: boolean;
}

/** @param body undefined where it was too long. @returns it as it may be sent; undefined where it can't be masked */
export function maskBody(
  body: Uint8Array | undefined,
  head: AnswerHead,
  masks: readonly Obligation[],
): string | undefined {
  // A browser that is led elsewhere reads nothing of what Express says beside the address.
  const hidden = head.leadsElsewhere && head.status >= 300 && head.status < 400 ? '' : undefined;
  if (body === undefined) return hidden;
  if (body.byteLength === 0) return '';
  if (isStatusText(body, head)) return STATUS_CODES[head.status];
  if (!isMaskable(head)) return hidden;
  try {
    return maskJson(new TextDecoder('utf-8', { fatal: true }).decode(body), masks);
  } catch (error) {
    if (error instanceof JsonProblem || error instanceof TypeError) return hidden;
    throw error;
  }
}

/** Tells whether a text says no more than the status does, as Express's `sendStatus` has it. */
function isStatusText(body: Uint8Array, { status }: AnswerHead): boolean {
  return Buffer.from(body).toString('latin1') === STATUS_CODES[status];
}

function isMaskable({ contentType = '', contentEncoding = 'identity' }: AnswerHead): boolean {
  const isPlain = contentEncoding.trim().toLowerCase() === 'identity';
  return isPlain && /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(contentType);
}

/**
 * Collects an answer that is sent in pieces, up to a length. Of one that can't be masked nothing is: it is refused at its first byte,
 * since events and the like may never end.
 */
export class BodyCollector {
  private readonly pieces: Uint8Array[] = [];
  private length = 0;

  private maxBytes: number;

  constructor(
    private readonly head: AnswerHead,
    maxBytes = DEFAULT_MAX_BYTES,
  ) {
    this.maxBytes = isMaskable(head) ? maxBytes : 0;
  }

  /** @returns whether there is room for more; what is too long is let go of */
  add(piece: unknown, encoding?: BufferEncoding): boolean {
    const bytes =
      typeof piece === 'string' ? Buffer.from(piece, encoding) : piece instanceof Uint8Array ? piece : undefined;
    if (this.length === 0 && bytes !== undefined && isStatusText(bytes, this.head)) this.maxBytes = bytes.byteLength;
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

/** @returns the whole of a stream; undefined where it is too long or can't be masked, and then it is ended */
export async function collectStream(
  stream: AsyncIterable<unknown> | Iterable<unknown>,
  head: AnswerHead,
  maxBytes?: number,
): Promise<Uint8Array | undefined> {
  const collector = new BodyCollector(head, maxBytes);
  for await (const piece of stream) if (!collector.add(piece)) return undefined;
  return collector.body;
}
