/** Checks that what clients, issuers and approvals name exists in the schemas. Start, reload and `remit check` call it. */
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import { listKnownScopes } from '../policy/known-scopes.js';
import type { Rules } from '../policy/load.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import { MEMBER_NAME } from '../govern/approvals/deputies.js';
import { ADMINISTER_PERMISSION } from '../govern/approvals/requester-ties.js';
import type { GraphSchema } from '../graph/schema/schema.js';
import type { ApproverRules } from '../govern/approvals/eligibility.js';
import type { ConfiguredClient } from './clients.js';

export interface UnknownReference extends Problem {
  /** Its place in the configuration file. */
  readonly path: readonly PropertyKey[];
}

export interface ReferringSettings {
  readonly clients: readonly ConfiguredClient[];
  readonly issuers: readonly IssuerConfig[];
  readonly approvals: ApproverRules;
}

export function checkReferences(
  { clients, issuers, approvals }: ReferringSettings,
  rules: Pick<Rules, 'vocabulary' | 'policies' | 'graph'>,
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
    ...issuers.flatMap((issuer, i) => findUnknownReadings(issuer, ['issuers', i], rules, scopes)),
    ...listNamedMembers(approvals).flatMap(({ type, members, path }) =>
      findMemberProblems(type, members, rules.graph).map((problem) => ({ path, ...problem })),
    ),
  ];
}

interface NamedMembers {
  readonly type: string;
  /** Permissions or relations of the definition. */
  readonly members: readonly string[];
  /** The place in the configuration file that names them. */
  readonly path: readonly PropertyKey[];
}

function listNamedMembers({ administeredBy, deputies }: ApproverRules): NamedMembers[] {
  return [
    ...[...administeredBy].map(([type, permission]) => ({
      type,
      members: [permission],
      path: ['approvals', 'administered_by', type],
    })),
    ...[...deputies].map(([type, relation], i) => ({
      type,
      members: [relation, MEMBER_NAME],
      path: ['approvals', 'deputies', i],
    })),
  ];
}

/**
 * The permissions that who may approve rests on, as `team#manage`; `administer`, which counts in every definition, by its
 * name alone. The lint of permissions that nothing uses is told of them.
 */
export function listApproverPermissions(approvals: ApproverRules): ReadonlySet<string> {
  const configured = listNamedMembers(approvals).flatMap(({ type, members }) =>
    members.map((member) => `${type}#${member}`),
  );
  return new Set([ADMINISTER_PERMISSION, ...configured]);
}

/** Finds scopes that are assumed of an issuer's tokens, and claims that it lends to policies, which nothing knows. */
function findUnknownReadings(
  { issuer, assumed_scopes: assumed = [], claims = {} }: IssuerConfig,
  path: readonly PropertyKey[],
  { vocabulary }: Pick<Rules, 'vocabulary'>,
  scopes: ReadonlySet<string>,
): UnknownReference[] {
  const declared = new Set(
    vocabulary.actions.flatMap(({ context }) => {
      const type = context['claims']?.type;
      return type?.kind === 'Record' ? Object.keys(type.members) : [];
    }),
  );
  return [
    ...assumed
      .filter((scope) => !scopes.has(scope))
      .map((scope) => ({
        path: [...path, 'assumed_scopes'],
        message: `issuer "${issuer}": no action has the scope "${scope}", and no policy names it`,
        suggestion: suggestNearest(scope, scopes),
      })),
    // A forbid that reads a claim by another name would never apply.
    ...Object.keys(claims)
      .filter((name) => !declared.has(name))
      .map((name) => ({
        path: [...path, 'claims', name],
        message: `issuer "${issuer}": no action declares context.claims.${name}`,
        suggestion: suggestNearest(name, declared),
      })),
  ];
}

function findMemberProblems(type: string, members: readonly string[], graph: GraphSchema): Problem[] {
  if (!graph.hasDefinition(type))
    return [
      { message: `approvals: no definition "${type}"`, suggestion: suggestNearest(type, graph.definitionNames()) },
    ];
  return members
    .filter((member) => !graph.hasMember(type, member))
    .map((member) => ({
      message: `approvals: definition "${type}" has no permission or relation "${member}"`,
      suggestion: suggestNearest(member, graph.memberNames(type)),
    }));
}
