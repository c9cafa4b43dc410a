/** Paths to claims: where in a token's payload the claim stands that a configuration or a preset names. */

/** The names of the members to step through, from the payload inwards. */
export type ClaimPath = readonly string[];

/**
 * Parses a path as configurations write it. `act.client_id` steps from member to member. A name with `://` is one member,
 * because claims of one's own are named by URLs; a list has the names as they are.
 */
export function parseClaimPath(path: string | readonly string[]): ClaimPath {
  if (typeof path !== 'string') return path;
  return path.includes('://') ? [path] : path.split('.');
}

/** Reads the claim; undefined where the payload has none. Members that objects inherit are none. */
export function readClaimAt(payload: Readonly<Record<string, unknown>>, path: ClaimPath): unknown {
  let value: unknown = payload;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** Reads the first of the claims that there is. */
export function readFirstClaim(payload: Readonly<Record<string, unknown>>, paths: readonly ClaimPath[]): unknown {
  for (const path of paths) {
    const value = readClaimAt(payload, path);
    if (value !== undefined) return value;
  }
  return undefined;
}
