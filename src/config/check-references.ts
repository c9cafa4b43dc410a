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
import { listHeldPeople, type Hold } from '../store/record-hold.js';
import type { ConfiguredClient } from './clients.js';
import type { RecordsConfig } from './records.js';

export interface UnknownReference extends Problem {
  /** Its place in the configuration file. */
  readonly path: readonly PropertyKey[];
}

export interface ReferringSettings {
  readonly clients: readonly ConfiguredClient[];
  readonly issuers: readonly IssuerConfig[];
  readonly approvals: ApproverRules;
  readonly records?: Pick<RecordsConfig, 'hold'>;
}

export function checkReferences(
  { clients, issuers, approvals, records }: ReferringSettings,
  rules: Pick<Rules, 'vocabulary' | 'policies' | 'graph'>,
): UnknownReference[] {
  const types = [...rules.vocabulary.typesByObject.keys()];
  const scopes = listKnownScopes(rules);
  const declaredClaims = listDeclaredClaims(rules.vocabulary);
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
        findUnnamedScopes(issuer, ours, ['issuers', i, 'scopes', theirs], scopes),
      ),
    ),
    ...issuers.flatMap(({ issuer, assumed_scopes: assumed = [], claims = {} }, i) => [
      ...findUnnamedScopes(issuer, assumed, ['issuers', i, 'assumed_scopes'], scopes),
      ...findUndeclaredClaims(issuer, claims, ['issuers', i, 'claims'], declaredClaims),
    ]),
    ...listNamedMembers(approvals).flatMap(({ type, members, path }) =>
      findMemberProblems(type, members, rules.graph).map((problem) => ({ path, ...problem })),
    ),
    ...findHeldOthers(records?.hold ?? false, rules.vocabulary.personObjects),
  ];
}

/** A hold on what is no person would keep nothing, and its writer would rely on it. */
function findHeldOthers(hold: Hold, personTypes: ReadonlySet<string>): UnknownReference[] {
  return listHeldPeople(hold).flatMap(({ type }, i) =>
    personTypes.has(type)
      ? []
      : [
          {
            path: ['records', 'hold', i],
            message: `records.hold: ids of "${type}" name no people`,
            suggestion: suggestNearest(type, personTypes),
          },
        ],
  );
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

/** Finds scopes that an issuer's tokens are to have and that no action and no policy knows. */
function findUnnamedScopes(
  issuer: string,
  named: readonly string[],
  path: readonly PropertyKey[],
  scopes: ReadonlySet<string>,
): UnknownReference[] {
  return named
    .filter((scope) => !scopes.has(scope))
    .map((scope) => ({
      path,
      message: `issuer "${issuer}": no action has the scope "${scope}", and no policy names it`,
      suggestion: suggestNearest(scope, scopes),
    }));
}

function listDeclaredClaims({ actions }: Rules['vocabulary']): ReadonlySet<string> {
  return new Set(
    actions.flatMap(({ context }) => {
      const type = context['claims']?.type;
      return type?.kind === 'Record' ? Object.keys(type.members) : [];
    }),
  );
}

/** Finds claims that an issuer lends to policies by another name than theirs: a forbid that reads one would never apply. */
function findUndeclaredClaims(
  issuer: string,
  claims: NonNullable<IssuerConfig['claims']>,
  path: readonly PropertyKey[],
  declared: ReadonlySet<string>,
): UnknownReference[] {
  return Object.keys(claims)
    .filter((name) => !declared.has(name))
    .map((name) => ({
      path: [...path, name],
      message: `issuer "${issuer}": no action declares context.claims.${name}`,
      suggestion: suggestNearest(name, declared),
    }));
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
