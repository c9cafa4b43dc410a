/** Checks that the types and scopes that clients and issuers name exist in the schemas. Start, reload and `remit check` call it. */
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import { listKnownScopes } from '../policy/known-scopes.js';
import type { Rules } from '../policy/load.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import type { ConfiguredClient } from './clients.js';

export interface UnknownReference extends Problem {
  /** Its place in the configuration file. */
  readonly path: readonly PropertyKey[];
}

export function checkReferences(
  { clients, issuers }: { readonly clients: readonly ConfiguredClient[]; readonly issuers: readonly IssuerConfig[] },
  rules: Pick<Rules, 'vocabulary' | 'policies'>,
): UnknownReference[] {
  const types = [...rules.vocabulary.typesByObject.keys()];
  const scopes = listKnownScopes(rules);
  return [
    ...clients.flatMap(({ id, resources }, i) =>
      [...(resources ?? [])]
        .filter((type) => !types.includes(type))
        .map((type) => ({
          path: ['clients', i, 'resources'],
          message: `client "${id}": no resource "${type}"`,
          suggestion: suggestNearest(type, types),
        })),
    ),
    ...issuers.flatMap(({ issuer, scopes: mapping }, i) =>
      Object.entries(mapping ?? {}).flatMap(([theirs, ours]) =>
        ours
          .filter((scope) => !scopes.has(scope))
          .map((scope) => ({
            path: ['issuers', i, 'scopes', theirs],
            message: `issuer "${issuer}": no action has the scope "${scope}", and no policy names it`,
            suggestion: suggestNearest(scope, scopes),
          })),
      ),
    ),
  ];
}
