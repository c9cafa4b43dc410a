/** Types of subject as a SpiceDB schema has them, and what hangs on them. */
import type { TypeRef } from '@authzed/spicedb-parser-js';

/** The caveat of a type of subject; the parser reads `with expiration` as a caveat of that name. */
export function caveatOf(type: TypeRef): string | undefined {
  const path = type.withCaveat?.path;
  return path === 'expiration' ? undefined : path;
}

/** Without one of a caveat's: the parser reads `with expiration` as a caveat of that name. */
export function mustExpire({ withCaveat, withExpiration }: TypeRef): boolean {
  return withExpiration !== undefined || withCaveat?.path === 'expiration';
}

/**
 * Whether it may expire. The parser drops an expiration behind a caveat (`with c and expiration`): where that is
 * anywhere in the text, what has a caveat may expire.
 */
export function mayExpire(type: TypeRef, text: string): boolean {
  return mustExpire(type) || (type.withCaveat !== undefined && /\band\s+expiration\b/.test(text));
}

/** A type of subject as a schema writes it. */
export function typeText(t: TypeRef): string {
  const relation = t.relationName === undefined ? '' : `#${t.relationName}`;
  const caveat = t.withCaveat === undefined ? '' : ` with ${t.withCaveat.path}`;
  const expiration = t.withExpiration === undefined ? '' : ' with expiration';
  return `${t.path}${t.wildcard ? ':*' : ''}${relation}${caveat}${expiration}`;
}
