/**
 * Policies as their author wrote them: a file cut into its policies, and what stands where in one. Loading, the
 * formatter and proposals of changes work on the text, since Cedar's JSON has no places, nor all that a text can say.
 */
import { indexOfByte, locationAt, type SourceFile } from '../diagnostics/source.js';
import type { SourceLocation } from '../diagnostics/diagnostics.js';
import { significantCedarTokens, type CedarToken } from './lexer.js';

/** The text of one policy, from its first word to its `;`. */
export interface PolicyText {
  /** The place of its first word. */
  readonly location: SourceLocation;
  readonly text: string;
}

/** A policy of a file, and the offset of its text there. */
export interface FilePolicyText extends PolicyText {
  readonly index: number;
}

/** Cuts a file behind each `;` that is a token of its own. What follows the last one counts as a policy as well. */
export function splitPolicies(file: SourceFile): FilePolicyText[] {
  const policies: FilePolicyText[] = [];
  let start: number | undefined;
  const push = (index: number, end: number): void => {
    policies.push({ location: locationAt(file, index), index, text: file.text.slice(index, end) });
    start = undefined;
  };
  for (const { text, index } of significantCedarTokens(file.text)) {
    start ??= index;
    if (text === ';') push(start, index + 1);
  }
  if (start !== undefined) push(start, file.text.length);
  return policies;
}

/** The place of a byte of a policy's text, which is what Cedar counts in. */
export function locateByte({ location, text }: PolicyText, byte: number): SourceLocation {
  const linesBefore = text.slice(0, indexOfByte(text, byte)).split('\n');
  return {
    file: location.file,
    line: location.line + linesBefore.length - 1,
    column: (linesBefore.length === 1 ? location.column : 1) + (linesBefore.at(-1)?.length ?? 0),
  };
}

/** @param annotation such as `@id`; a policy that doesn't have it is named itself */
export function locateAnnotation(policy: PolicyText, annotation: string): SourceLocation {
  const index = readPolicyHead(policy.text).annotations.get(annotation);
  if (index === undefined) return policy.location;
  return locateByte(policy, Buffer.byteLength(policy.text.slice(0, index)));
}

/** The offset behind the parenthesis that ends a policy's scope; undefined where the text is no policy. */
export function findScopeEnd(text: string): number | undefined {
  const { effect } = readPolicyHead(text);
  if (effect === undefined) return undefined;
  const end = findClosing(text, effect.index + effect.text.length);
  return end === undefined ? undefined : end + 1;
}

/** An expression without the parentheses around all of it, where it has such. */
export function stripParentheses(text: string): string {
  return text.startsWith('(') && findClosing(text, 0) === text.length - 1 ? text.slice(1, -1) : text;
}

/** The offset of the parenthesis that closes the first one at or behind `from`. */
function findClosing(text: string, from: number): number | undefined {
  let depth = 0;
  for (const token of significantCedarTokens(text)) {
    if (token.index < from) continue;
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (token.text === ')' && depth === 0) return token.index;
  }
  return undefined;
}

interface PolicyHead {
  /** Offsets of the annotations' `@`, by name: `@id`. */
  readonly annotations: ReadonlyMap<string, number>;
  /** The word `permit` or `forbid`; undefined where the text is no policy. */
  readonly effect: CedarToken | undefined;
}

/** Reads `@name` and `@name("value")` up to the effect: an annotation may have `permit` or `forbid` for its name. */
function readPolicyHead(text: string): PolicyHead {
  const tokens = significantCedarTokens(text);
  const annotations = new Map<string, number>();
  let i = 0;
  for (let sign = tokens[i]; sign?.text === '@'; sign = tokens[i]) {
    const name = `@${tokens[i + 1]?.text ?? ''}`;
    if (!annotations.has(name)) annotations.set(name, sign.index);
    i += tokens[i + 2]?.text === '(' ? 5 : 2;
  }
  const effect = tokens[i];
  return { annotations, effect: effect?.kind === 'identifier' ? effect : undefined };
}
