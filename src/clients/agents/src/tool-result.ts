/** The results of tools with the masks of a decision carried out. A result that can't be masked isn't shown. */
import { maskJson, MASKING_TYPES, type Evaluation } from 'remit-client';
import { refuseTool } from './tool-refusal.js';

/** Masks a text that is JSON, or an object. @throws where it is neither */
export type MaskValue = (value: unknown) => unknown;
/** The form of a framework's results, where they have one of their own. */
export interface ResultForm {
  /** Tells a result that stands for an error. */
  readonly isFailure?: (result: unknown) => boolean;
  /** Masks the parts of a result. @throws where it has others */
  readonly maskParts?: (result: unknown, mask: MaskValue) => unknown;
}

/** @returns undefined where nothing has to be masked */
export function createResultMask(
  evaluation: Evaluation,
  { maskParts = (result, mask) => mask(result) }: ResultForm,
): ((result: unknown) => unknown) | undefined {
  const masks = evaluation.obligations.filter(({ type }) => MASKING_TYPES.includes(type));
  if (masks.length === 0) return undefined;
  const maskText = (text: string): string => maskJson(text, masks, (value) => maskMessageParts(value, maskText));
  const maskValue: MaskValue = (value) =>
    typeof value === 'string' ? maskText(value) : JSON.parse(maskText(toText(value)));
  return (result) => {
    if (result === undefined || result === null) return result;
    try {
      return maskParts(result, maskValue);
    } catch {
      return refuseTool('not_shown', evaluation);
    }
  };
}

/** @throws TypeError for what JSON writes otherwise than it is: bytes as an object of numbers, whose names no mask knows */
function toText(value: unknown): string {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    throw new TypeError('the result has no fields');
  return JSON.stringify(value);
}

/** The parts of messages that are texts; in each the record may be what the text says. */
const TEXT_PARTS: readonly unknown[] = ['text', 'input_text', 'output_text'];
/** The parts of messages, as all frameworks name them, that have what no mask can read. */
const OPAQUE_PART =
  /^(?:(?:input|output)[_-])?(?:image|audio|video|file|media|resource|blob)(?:[_-](?:url|data|id|file[_-]id|link))?$/;

/** @throws TypeError where a part can't be masked */
function maskMessageParts(value: unknown, maskText: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map((element: unknown) => maskMessageParts(element, maskText));
  if (typeof value !== 'object' || value === null) return value;
  const { type, lc, lg_name } = value as Readonly<Record<string, unknown>>;
  const isOpaque = typeof type === 'string' && OPAQUE_PART.test(type);
  // LangChain's messages and commands have their texts under names of their own.
  if (isOpaque || lc !== undefined || lg_name !== undefined) throw new TypeError('the part can not be masked');
  const members = Object.entries(value).map(([name, inner]: [string, unknown]) => {
    const isText = TEXT_PARTS.includes(type) && name === 'text' && typeof inner === 'string';
    return [name, isText ? maskText(inner) : maskMessageParts(inner, maskText)] as const;
  });
  return Object.fromEntries(members);
}

export function isPieces(result: unknown): result is AsyncIterable<unknown, unknown> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

/** An error's text may have what is to be masked. */
export function hideError(error: unknown, isMasked: boolean): unknown {
  return isMasked ? new Error('The tool has failed.') : error;
}

/** Goes over a result that comes in pieces, and tells how it ended. */
export async function* mapPieces(
  pieces: AsyncIterable<unknown, unknown>,
  mask: ((piece: unknown) => unknown) | undefined,
  onEnd: (outcome: 'executed' | 'failed') => void,
): AsyncGenerator<unknown, unknown> {
  const change = mask ?? ((piece: unknown) => piece);
  const iterator = pieces[Symbol.asyncIterator]();
  let isComplete = false;
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      if (done === true) {
        isComplete = true;
        return change(value);
      }
      yield change(value);
    }
  } catch (error) {
    throw hideError(error, mask !== undefined);
  } finally {
    onEnd(isComplete ? 'executed' : 'failed');
    if (!isComplete) await iterator.return?.(undefined);
  }
}

/** @returns the last piece of a result that comes in pieces, which is all of it; any other as it is */
export async function takeLastPiece(result: unknown): Promise<unknown> {
  if (!isPieces(result)) return result;
  let last: unknown;
  for await (const piece of result) last = piece;
  return last;
}
