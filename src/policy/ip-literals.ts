/**
 * Addresses in the text of policies. Remit gives Cedar an IPv4 address within IPv6 (`::ffff:a00:1`) as the IPv4 address, so
 * a policy that names the one within IPv6 would match nothing: a forbid would forbid nothing.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { findMappedRange } from '../runtime/ip-address.js';
import { listNodes } from './expressions.js';

const NAME_APART = 'name its IPv4 and its IPv6 addresses apart';

/** Describes each address that no value can match, with the spelling that can. */
export function findMappedAddresses({ conditions }: PolicyJson): string[] {
  return [...new Set(collectIpLiterals(conditions))].flatMap((text) => {
    const mapped = findMappedRange(text);
    if (mapped === undefined) return [];
    const cure = mapped.range === undefined ? NAME_APART : `write ip("${mapped.range}")`;
    return [`ip("${text}") is IPv4 within IPv6, which is compared as IPv4: ${cure}`];
  });
}

/** The texts of all `ip("…")`. */
function collectIpLiterals(conditions: PolicyJson['conditions']): string[] {
  return [...listNodes(conditions)].flatMap((node) => {
    const { ip } = node as { readonly ip?: unknown };
    const { Value: text } = ((Array.isArray(ip) ? ip[0] : undefined) ?? {}) as { readonly Value?: unknown };
    return typeof text === 'string' ? [text] : [];
  });
}
