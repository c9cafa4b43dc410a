/** The subject types that a relation of a SpiceDB schema allows: their caveats, expirations and text. */
import type { TypeRef } from '@authzed/spicedb-parser-js';

/** The caveat that a subject type has; undefined where it has none. */
export function caveatName(type: TypeRef): string | undefined {
  // The parser reads `with expiration` as a caveat of that name.
  const path = type.withCaveat?.path;
  return path === 'expiration' ? undefined : path;
}

/** Whether every relationship to the subject type has an expiration. */
export function requiresExpiration({ withCaveat, withExpiration }: TypeRef): boolean {
  return withExpiration !== undefined || withCaveat?.path === 'expiration';
}

/** @param caveatsMayExpire see {@link SchemaDeclarations} */
export function allowsExpiration(type: TypeRef, caveatsMayExpire: boolean): boolean {
  return requiresExpiration(type) || (type.withCaveat !== undefined && caveatsMayExpire);
}

/** The subject type as a schema writes it. */
export function formatSubjectType(type: TypeRef): string {
  const relation = type.relationName === undefined ? '' : `#${type.relationName}`;
  const caveat = type.withCaveat === undefined ? '' : ` with ${type.withCaveat.path}`;
  const expiration = type.withExpiration === undefined ? '' : ' with expiration';
  return `${type.path}${type.wildcard ? ':*' : ''}${relation}${caveat}${expiration}`;
}
