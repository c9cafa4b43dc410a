/** What the configuration says of actions and types, held against those that there are. */
import { meant, type Problem } from '../diagnostics/diagnostics.js';
import { scopesOf, type Vocabulary } from '../policy/schema/vocabulary.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import type { ConfiguredClient } from './clients.js';

export interface Misfit extends Problem {
  /** In the configuration file. */
  readonly path: readonly PropertyKey[];
}

export function misfits(
  { clients, issuers }: { readonly clients: readonly ConfiguredClient[]; readonly issuers: readonly IssuerConfig[] },
  vocabulary: Vocabulary,
): Misfit[] {
  const types = [...vocabulary.byObject.keys()];
  const scopes = scopesOf(vocabulary).map(({ scope }) => scope);
  return [
    ...clients.flatMap(({ id, resources }, i) =>
      [...(resources ?? [])]
        .filter((type) => !types.includes(type))
        .map((type) => ({
          path: ['clients', i, 'resources'],
          message: `client "${id}": no resource "${type}"`,
          suggestion: meant(type, types),
        })),
    ),
    ...issuers.flatMap(({ issuer, scopes: given }, i) =>
      Object.entries(given ?? {}).flatMap(([theirs, ours]) =>
        ours
          .filter((scope) => !scopes.includes(scope))
          .map((scope) => ({
            path: ['issuers', i, 'scopes', theirs],
            message: `issuer "${issuer}": no action has the scope "${scope}"`,
            suggestion: meant(scope, scopes),
          })),
      ),
    ),
  ];
}
