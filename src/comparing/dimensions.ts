/** What varies in the generated requests of a kind: whatever policies read, and whatever they need to be asked at all. */
import { MAX_CHAIN } from '../tokens/actors.js';
import type { CedarType, Members } from '../rules/types.js';
import type { EntityType } from '../rules/vocabulary.js';
import { IDS, type Draft } from './draft.js';
import type { Kind, Known } from './kinds.js';
import { changedIn, readBy } from './kinds.js';
import { literalsOf } from './literals.js';
import { momentsAround, valuesOf } from './values.js';

export interface Dimension {
  /** `principal.kind`, `context.can.edit`. */
  readonly name: string;
  /** The name by which policies read it. */
  readonly read: string;
  /** The first is the usual one. */
  readonly values: readonly Value[];
}

interface Value {
  readonly text: string;
  readonly put: (draft: Draft) => void;
}

/** Of entities that policies name, how many a request tries to be. */
const MAX_NAMED = 8;

/** In the order in which they are put into a draft. One with a single value is there so that nothing required lacks. */
export function dimensionsOf(kind: Kind): Dimension[] {
  return new Builder(kind).all();
}

class Builder {
  private readonly reads: ReadonlySet<string>;
  private readonly literals: ReturnType<typeof literalsOf>;
  private readonly isAgent: boolean;

  constructor(private readonly kind: Kind) {
    this.reads = readBy(kind);
    // Of many values some are left out: not those that changed policies compare with.
    this.literals = literalsOf([...changedIn(kind), ...kind.known.flatMap(({ policies }) => policies)]);
    this.isAgent = kind.mode !== 'human';
  }

  all(): Dimension[] {
    const { mode } = this.kind;
    const acting = this.isAgent ? 'agent' : 'user';
    return [
      ...this.entity('resource', 'resource', (known) => known.resource),
      ...this.entity(acting, 'principal', (known) => known.principal),
      ...(mode === 'delegated' ? this.entity('earlier', 'earlier agents', (known) => known.principal) : []),
      ...(acting === 'user' || mode === 'direct' ? [] : this.entity('user', 'context.user', userOf)),
      ...this.identities('resource', (known) => known.resource),
      ...this.identities(acting, (known) => known.principal),
      ...this.said('action'),
      ...this.said('request'),
      ...this.permissions(),
      ...(mode === 'delegated' || mode === 'direct' ? this.token() : []),
      ...(mode === 'delegated' ? this.chain() : []),
      ...this.clock(),
      this.lacking(),
    ].filter(({ values }) => values.length > 0);
  }

  /** The attributes of one of those that Cedar is given, as either set of rules declares them, and what it is in. */
  private entity(
    of: keyof Draft['attributes'],
    called: string,
    typeOf: (known: Known) => EntityType | undefined,
  ): Dimension[] {
    const types = this.kind.known.flatMap((known) => typeOf(known) ?? []);
    const parents = this.literals.entities
      .filter(({ type }) => types.some(({ ancestors }) => ancestors.has(type)))
      .slice(0, MAX_NAMED)
      .map(({ type, id }): Dimension => ({
        name: `${called} in`,
        read: '',
        values: [
          { text: 'nothing', put: () => undefined },
          { text: `${type}::"${id}"`, put: ({ ancestors }) => ancestors[of].push({ type: this.objectOf(type), id }) },
        ],
      }));
    return [
      ...this.members(
        types.map(({ attributes }) => attributes),
        called,
        [],
        ({ attributes }) => attributes[of],
      ),
      ...parents,
    ];
  }

  /** Declared by the later rules, or only by the earlier. */
  private members(
    declared: readonly Members[],
    called: string,
    path: readonly string[],
    within: (draft: Draft) => Record<string, unknown>,
  ): Dimension[] {
    const names = [...new Set(declared.flatMap((members) => Object.keys(members)))];
    return names.flatMap((name) => {
      const members = declared.flatMap((of) => (Object.hasOwn(of, name) ? [of[name]] : [])).filter((m) => m !== undefined);
      const member = members.at(-1);
      const optional = members.length < declared.length || members.some(({ required }) => !required);
      const isRead = this.reads.has(name);
      if (member === undefined || (optional && !isRead)) return [];
      const at = [...path, name];
      const text = [called, ...at].join('.');
      const own = this.member(member.type, members.map(({ type }) => type), called, at, within, isRead); // prettier-ignore
      const gone: Dimension = {
        name: text,
        read: name,
        values: [
          { text: 'there', put: () => undefined },
          { text: 'not there', put: (draft) => Reflect.deleteProperty(inner(within(draft), path), name) },
        ],
      };
      return optional ? [...own, gone] : own;
    });
  } // prettier-ignore

  private member(
    type: CedarType,
    all: readonly CedarType[],
    called: string,
    at: readonly string[],
    within: (draft: Draft) => Record<string, unknown>,
    isRead: boolean,
  ): Dimension[] {
    const records = all.flatMap((one) => (one.kind === 'Record' ? [one.members] : []));
    if (records.length > 0) {
      // There even where none of its members are.
      const whole: Dimension = { name: [called, ...at].join('.'), read: '', values: [{ text: 'there', put: (d) => void inner(within(d), at) }] }; // prettier-ignore
      return [whole, ...this.members(records, called, at, within)];
    }
    const name = at.at(-1) ?? '';
    const values = valuesOf(type, { literals: this.literals.of(name), ids: (entity) => this.idsOf(entity) });
    return [
      {
        name: [called, ...at].join('.'),
        read: name,
        values: (isRead ? values : values.slice(0, 1)).map((value) => ({
          text: JSON.stringify(value),
          put: (draft) => {
            inner(within(draft), at.slice(0, -1))[name] = value;
          },
        })),
      },
    ];
  }

  /** Ids that stand for those who are asked about, and those that policies name. */
  private idsOf(entityType: string): string[] {
    const object = this.objectOf(entityType);
    const { user, agent, resource } = this.kind;
    return [
      ...(object === user ? [IDS.user] : []),
      ...(object === agent ? [IDS.agent] : []),
      ...(object === resource ? [IDS.resource] : []),
      ...this.literals.entities.filter(({ type }) => type === entityType).map(({ id }) => id),
    ];
  }

  /** Being one that a policy names. */
  private identities(of: keyof Draft['ids'], typeOf: (known: Known) => EntityType): Dimension[] {
    const names = new Set(this.kind.known.map((known) => typeOf(known).name));
    const ids = this.literals.entities.filter(({ type }) => names.has(type)).slice(0, MAX_NAMED);
    const values = [IDS[of], ...ids.map(({ id }) => id)].map((id): Value => ({
      text: id,
      put: (draft) => {
        draft.ids[of] = id;
      },
    }));
    return ids.length === 0 ? [] : [{ name: `${of}'s id`, read: '', values }];
  }

  /** What the request itself says. */
  private said(name: 'action' | 'request'): Dimension[] {
    const declared = this.kind.known.flatMap(({ action }) => {
      const type = action.context[name]?.type;
      return type?.kind === 'Record' ? [type.members] : [];
    });
    const part = name === 'action' ? 'action' : 'context';
    return this.members(declared, `context.${name}`, [], ({ said }) => said[part]);
  }

  /** Those that policies read; the others are what {@link lacking} takes away. */
  private permissions(): Dimension[] {
    const { known, mode } = this.kind;
    const dimension = (name: string, of: 'held' | 'heldByAgent') => (permission: string): Dimension => ({
      name: `context.${name}.${permission}`,
      read: permission,
      values: [true, false].map((holds) => ({ text: String(holds), put: (draft) => draft[of].set(permission, holds) })),
    });
    const gates = (of: 'held' | 'heldByAgent', permissions: readonly string[]): Dimension[] =>
      permissions.map((permission) => ({ name: permission, read: '', values: [{ text: 'held', put: (draft) => draft[of].set(permission, true) }] }));
    return [
      ...gates('held', unique(known.map(({ action }) => action.permission))),
      ...gates('heldByAgent', this.isAgent ? unique(known.flatMap(({ action }) => action.agentPermission ?? [])) : []),
      ...unique(known.flatMap(({ action }) => action.can)).map(dimension('can', 'held')),
      ...(mode === 'delegated' || mode === 'vouched' ? unique(known.flatMap(({ action }) => action.agentCan)) : []).map(dimension('agent_can', 'heldByAgent')),
    ];
  } // prettier-ignore

  private token(): Dimension[] {
    const { known } = this.kind;
    const own = this.scopes();
    const compared = this.texts('scopes').filter((scope) => !own.includes(scope));
    const scopes = [own, ...compared.map((scope) => [...own, scope]), ...(compared.length > 1 ? [[...own, ...compared]] : [])];
    const text = (name: 'purpose' | 'session' | 'issuer' | 'profile', member = name as string): Dimension[] =>
      this.reads.has(member)
        ? [
            {
              name: `context.delegation.${member}`,
              read: member,
              values: [undefined, ...this.texts(member), 'other'].map((value) => ({
                text: value ?? 'not there',
                put: ({ token }) => {
                  if (name !== 'issuer') token[name] = value;
                  else if (value !== undefined) token.issuer = value;
                },
              })),
            },
          ]
        : [];
    const background = this.reads.has('access') || known.some(({ action }) => action.backgroundScope !== undefined);
    return [
      { name: 'scopes', read: 'scopes', values: scopes.map((list) => ({ text: `also ${list.filter((scope) => !own.includes(scope)).join(' ')}`, put: ({ token }) => void (token.scopes = list) })) },
      ...(background ? [{ name: 'context.delegation.access', read: 'access', values: (['online', 'background'] as const).map((access): Value => ({ text: access, put: ({ token }) => void (token.access = access) })) }] : []),
      ...(this.reads.has('chain_complete') ? [{ name: 'context.delegation.chain_complete', read: 'chain_complete', values: [true, false].map((complete): Value => ({ text: String(complete), put: ({ token }) => void (token.chainComplete = complete) })) }] : []),
      ...text('purpose'),
      ...text('session'),
      ...text('issuer'),
      ...text('profile'),
    ];
  } // prettier-ignore

  private chain(): Dimension[] {
    const named = this.literals.of('depth').flatMap(({ value }) => (typeof value === 'number' ? [value, value + 1] : []));
    const depths = unique([1, 2, ...named]).filter((depth) => depth >= 1 && depth <= MAX_CHAIN);
    return [
      {
        name: 'context.delegation.depth',
        read: 'depth',
        values: depths.map((depth) => ({ text: String(depth), put: (draft) => void (draft.depth = depth) })),
      },
    ];
  } // prettier-ignore

  private clock(): Dimension[] {
    if (!this.reads.has('now')) return [];
    const values = momentsAround(this.literals.of('now')).map((now): Value => ({
      text: now.toISOString(),
      put: (draft) => {
        draft.now = now;
      },
    }));
    return [{ name: 'context.now', read: 'now', values }];
  }

  /** One thing at a time of what must be there before policies count: where two lack, either is reason enough. */
  private lacking(): Dimension {
    const { known, mode } = this.kind;
    const without = (what: string, put: Value['put']): Value => ({ text: what, put });
    const can = new Set(known.flatMap(({ action }) => action.can));
    const agentCan = new Set(known.flatMap(({ action }) => action.agentCan));
    const gates = unique(known.map(({ action }) => action.permission)).filter((p) => !can.has(p));
    const agentGates = unique(known.flatMap(({ action }) => action.agentPermission ?? [])).filter((p) => !agentCan.has(p));
    const values = [
      without('nothing', () => undefined),
      ...gates.map((p) => without(`the permission "${p}"`, ({ held }) => held.set(p, false))),
      ...(this.isAgent ? agentGates.map((p) => without(`the agent's permission "${p}"`, ({ heldByAgent }) => heldByAgent.set(p, false))) : []),
      ...(mode === 'delegated' || mode === 'vouched' ? [without('the delegation', (draft) => void (draft.delegated = false))] : []),
      ...(mode === 'delegated' || mode === 'direct' ? this.scopes().map((scope) => without(`the scope "${scope}"`, ({ token }) => void (token.scopes = token.scopes.filter((s) => s !== scope)))) : []),
    ];
    return { name: 'lacking', read: '', values };
  } // prettier-ignore

  private scopes(): string[] {
    return unique(this.kind.known.flatMap(({ action }) => [action.scope ?? [], action.backgroundScope ?? []].flat()));
  }

  private texts(name: string): string[] {
    return this.literals.of(name).flatMap(({ value, as }) => (as === undefined && typeof value === 'string' ? [value] : []));
  } // prettier-ignore

  private objectOf(entityType: string): string {
    const objects = this.kind.known.map(({ rules }) => rules.vocabulary.objectOf(entityType));
    return objects.find((object) => object !== entityType) ?? entityType;
  }
}

function userOf({ rules: { vocabulary }, action }: Known): EntityType | undefined {
  const type = action.context['user']?.type;
  return type?.kind === 'Entity' ? vocabulary.entityTypes.get(type.name) : undefined;
}

/** The record at a path, made where it isn't there. */
function inner(record: Record<string, unknown>, path: readonly string[]): Record<string, unknown> {
  return path.reduce<Record<string, unknown>>((at, name) => (at[name] ??= {}) as Record<string, unknown>, record);
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
