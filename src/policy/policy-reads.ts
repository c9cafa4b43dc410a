/**
 * The parts of a request that policies read: Cedar is given that and nothing more, answers are kept by it, and records
 * hold it. Reads are a tree from the principal, the resource, the context and the entities that conditions name, so
 * that what lies behind a reference (`resource.owner.frozen`) is known before Cedar is asked.
 */
import type { Action, EntityType } from './schema/action.js';
import type { CedarType } from './schema/types.js';
import type { EntityUid } from './schema/uid.js';

/** The reads of one value: of its members, of what it refers to, and of its ancestors. */
export interface ValueReads {
  readonly type: CedarType;
  /** Attributes of an entity or members of a record, by name; none that the schema doesn't declare. */
  readonly members: ReadonlyMap<string, ValueReads>;
  /** Whether the value is used as it is: a record then counts with all its members, an entity by its identity. */
  readonly whole: boolean;
  /** Whether it counts what the entity is in. */
  readonly ancestors: boolean;
}

export interface PolicyReads {
  readonly principal: ValueReads;
  readonly resource: ValueReads;
  readonly context: ValueReads;
  /** The entities that conditions name and read something of. */
  readonly literals: readonly { readonly uid: EntityUid; readonly reads: ValueReads }[];
  /** Whether it counts which principal and which resource it is, and not only what they are like. */
  readonly identities: boolean;
  /** The entities that scopes name; the identity of any other doesn't count. */
  readonly namedEntities: ReadonlySet<string>;
  /** Whether anything is read behind a reference, so that more entities are needed than the request's own. */
  readonly followsReferences: boolean;
  /** Whether a value is taken apart whose type can't be told: then what is needed can't be told, either. */
  readonly unbounded: boolean;
}

/** The kind of question that policies are asked. */
export interface QuestionTypes {
  readonly principal: EntityType;
  readonly action: Action;
  readonly resource: EntityType;
}

/** Whether the policies need the entity itself, and not only its identity. */
export function needsEntity({ type, members, ancestors }: ValueReads): boolean {
  return type.kind === 'Entity' && (members.size > 0 || ancestors);
}

/** Every name that is read anywhere: an attribute, or a member of the context or of a record. */
export function listNamesRead({ principal, resource, context, literals }: PolicyReads): ReadonlySet<string> {
  const names = new Set<string>();
  const pending = [principal, resource, context, ...literals.map(({ reads }) => reads)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, member] of next.members) {
      names.add(name);
      pending.push(member);
    }
  }
  return names;
}

/** Unites what several readers read of one value. */
export function uniteReads(all: readonly [ValueReads, ...ValueReads[]]): ValueReads {
  const [first, ...others] = all;
  if (others.length === 0) return first;
  const names = new Set(all.flatMap(({ members }) => [...members.keys()]));
  const members = [...names].map((name) => {
    const [member, ...rest] = all.flatMap((reads) => reads.members.get(name) ?? []);
    return [name, uniteReads([member as ValueReads, ...rest])] as const;
  });
  return {
    type: first.type,
    members: new Map(members),
    whole: all.some(({ whole }) => whole),
    ancestors: all.some(({ ancestors }) => ancestors),
  };
}

/** Whether an entity is needed that the value is, or that it has a reference to. */
export function leadsToEntity(reads: ValueReads): boolean {
  return needsEntity(reads) || [...reads.members.values()].some(leadsToEntity);
}
