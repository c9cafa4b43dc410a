/** What policies read of a request: Cedar is given that and nothing more, and answers are kept by it. */
import type { Policy } from './policies.js';
import { formatUid } from './schema/uid.js';
import { unwrapUid } from './scope-match.js';

/** The attributes and context members that policies can read, by name. Cedar needs nothing else. */
export interface PolicyReads {
  readonly names: ReadonlySet<string>;
  /** The names whose value is used as it is, so that a record is read with all its members. */
  readonly wholeNames: ReadonlySet<string>;
  /** Whether the context is used as a value (compared, put into a set), so that all of it counts. */
  readonly wholeContext: boolean;
  /** Whether its identity or its parents count, and not only its attributes. */
  readonly principal: boolean;
  readonly resource: boolean;
  /** The entities that scopes name; the identity of any other doesn't count. */
  readonly namedEntities: ReadonlySet<string>;
}

/**
 * Collects what the policies can read. Names are collected whatever they are read of: that is more than Cedar needs of
 * any one thing, never less.
 */
export function collectReads(policies: readonly Policy[]): PolicyReads {
  const names = new Set<string>();
  const wholeNames = new Set<string>();
  const wholeVariables = new Set<string>();
  const namedEntities = new Set<string>();
  for (const { json } of policies) {
    for (const part of ['principal', 'resource'] as const) {
      const scope = json[part].op === 'is' && 'in' in json[part] ? json[part].in : json[part];
      if ('entity' in scope) namedEntities.add(formatUid(unwrapUid(scope.entity)));
      else if (json[part].op === '==' || json[part].op === 'in' || 'in' in json[part]) wholeVariables.add(part);
    }
  }
  const pending: { node: unknown; accessed: boolean }[] = policies.map((p) => ({
    node: p.json.conditions,
    accessed: false,
  }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, accessed } = next;
    if (typeof node !== 'object' || node === null) continue;
    for (const [key, value] of Object.entries(node) as [string, unknown][]) {
      if (key === 'Var' && typeof value === 'string' && !accessed) wholeVariables.add(value);
      if (key === '__entity' && !isActionUid(value)) {
        // The entity that is named may be the principal or the resource.
        wholeVariables.add('principal');
        wholeVariables.add('resource');
      }
      if ((key === '.' || key === 'has') && typeof value === 'object' && value !== null) {
        const { left, attr } = value as { left: unknown; attr: string | string[] };
        for (const name of [attr].flat()) names.add(name);
        if (key === '.' && !accessed) wholeNames.add([attr].flat().at(-1) ?? '');
        pending.push({ node: left, accessed: true });
      } else {
        pending.push({ node: value, accessed: false });
      }
    }
  }
  return {
    names,
    wholeNames,
    wholeContext: wholeVariables.has('context'),
    principal: wholeVariables.has('principal'),
    resource: wholeVariables.has('resource'),
    namedEntities,
  };
}

function isActionUid(entity: unknown): boolean {
  return /(^|::)Action$/.test(String((entity as { type?: unknown } | null)?.type));
}
