/**
 * Addresses in the text of caveats. A caveat is given an IPv4 address within IPv6 (`::ffff:a00:1`) as the IPv4 address, so
 * an expression that names the one within IPv6 would match nothing.
 */
import { findMappedRange } from '../../runtime/ip-address.js';
import type { SchemaToken } from './lexer.js';

/** Finds the first address that no value can match, with the spelling that can, and its offset. */
export function findMappedLiteral(
  tokens: readonly SchemaToken[],
): { readonly message: string; readonly index: number } | undefined {
  for (const { kind, text, start } of tokens) {
    const [, literal = ''] = /^[bB]?[rR]?("""|'''|"|')([^]*)\1$/.exec(text)?.slice(1) ?? [];
    const mapped = kind === 'string' ? findMappedRange(literal.trim()) : undefined;
    if (mapped === undefined) continue;
    const cure = mapped.range === undefined ? 'name its IPv4 and its IPv6 addresses apart' : `write "${mapped.range}"`;
    return { message: `"${literal}" is IPv4 within IPv6, which caveats are given as IPv4: ${cure}`, index: start };
  }
  return undefined;
}
