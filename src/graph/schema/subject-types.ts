/** Types of subject as a SpiceDB schema has them, and what hangs on them. */
import type { TypeRef } from '@authzed/spicedb-parser-js';

/** The caveat of a type of subject; the parser reads `with expiration` as a caveat of that name. */
export function caveatName(type: TypeRef): string | undefined {
  const path = type.withCaveat?.path;
  return path === 'expiration' ? undefined : path;
}

/** Without one of a caveat's: the parser reads `with expiration` as a caveat of that name. */
export function requiresExpiration({ withCaveat, withExpiration }: TypeRef): boolean {
  return withExpiration !== undefined || withCaveat?.path === 'expiration';
}

/**
 * Whether it may expire. The parser drops an expiration behind a caveat (`with c and expiration`): where that is
 * anywhere in the text, what has a caveat may expire.
 */
export function allowsExpiration(type: TypeRef, schemaText: string): boolean {
  return requiresExpiration(type) || (type.withCaveat !== undefined && /\band\s+expiration\b/.test(schemaText));
}

/** A type of subject as a schema writes it. */
export function formatSubjectType(type: TypeRef): string {
  const relation = type.relationName === undefined ? '' : `#${type.relationName}`;
  const caveat = type.withCaveat === undefined ? '' : ` with ${type.withCaveat.path}`;
  const expiration = type.withExpiration === undefined ? '' : ' with expiration';
  return `${type.path}${type.wildcard ? ':*' : ''}${relation}${caveat}${expiration}`;
}
