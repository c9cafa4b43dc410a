/** What the configuration says of actions and types, held against those that there are. */
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import { listScopes, type Vocabulary } from '../policy/schema/vocabulary.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import type { ConfiguredClient } from './clients.js';

export interface UnknownReference extends Problem {
  /** In the configuration file. */
  readonly path: readonly PropertyKey[];
}

export function checkReferences(
  { clients, issuers }: { readonly clients: readonly ConfiguredClient[]; readonly issuers: readonly IssuerConfig[] },
  vocabulary: Vocabulary,
): UnknownReference[] {
  const types = [...vocabulary.typesByObject.keys()];
  const scopes = listScopes(vocabulary).map(({ scope }) => scope);
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
          .filter((scope) => !scopes.includes(scope))
          .map((scope) => ({
            path: ['issuers', i, 'scopes', theirs],
            message: `issuer "${issuer}": no action has the scope "${scope}"`,
            suggestion: suggestNearest(scope, scopes),
          })),
      ),
    ),
  ];
}
