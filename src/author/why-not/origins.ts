/** From what a policy reads to where it comes from, and the changes that would give it another value there. */
import { holder } from '../../model/acting.js';
import { refText, type EntityRef } from '../../model/ids.js';
import type { Check } from '../../model/relationships.js';
import type { CedarType, Members } from '../../policy/schema/types.js';
import type { Established } from '../../decide/bound-question.js';
import type { Path } from '../../records/explain/values.js';
import { withMember, type Change } from './change.js';
import type { Judgement } from './judge.js';
import { alternatives, type Literals } from './literals.js';

/** Ways to another value, each alone; and checks whose answer the value is. */
export interface Origin {
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
}

const HOUR_MS = 3_600_000;
const NOTHING: Origin = { changes: [], checks: [] };

/** @param who the policy is asked for */
export function originOf(path: Path, who: EntityRef, { record, again }: Judgement, literals: Literals): Origin {
  const e = again.course.established;
  if (e === undefined) return NOTHING;
  const { question, on, principalType, acting } = e;
  const [root = '', ...rest] = path;
  const known = literals.get(path.at(-1) ?? '') ?? new Set();

  const stored = (entity: EntityRef, members: Members): Change[] => {
    const attributes = record.facts.entities?.[refText(entity)]?.attributes ?? {};
    return options(members, rest, attributes, known).flatMap((value): Change[] => {
      const [name = ''] = rest;
      const changed = withMember(attributes, rest, value)[name];
      return [{ kind: 'entity', entity, attributes: { [name]: changed ?? null } }];
    });
  };
  const requested = (at: readonly string[], members: Members, names: Path, given: Readonly<Record<string, unknown>>) =>
    options(members, names, given, known).map((value): Change => ({ kind: 'request', at: [...at, ...names], value }));

  if (root === 'principal') return { changes: stored(who, principalType.attributes), checks: [] };
  if (root === 'resource') {
    const { properties, ...resource } = question.resource;
    const attributes = record.facts.entities?.[refText(resource)]?.attributes ?? {};
    const { resourceType } = on;
    const said = requested(['resource', 'properties'], resourceType.attributes, rest, { ...attributes, ...properties });
    return {
      changes: [...said, ...stored({ type: resource.type, id: resource.id }, resourceType.attributes)],
      checks: [],
    };
  }
  if (root !== 'context') return NOTHING;
  const [member = '', ...names] = rest;
  const type = on.action.context[member]?.type;
  const members = type?.kind === 'Record' ? type.members : {};
  const resource = { type: question.resource.type, id: question.resource.id };
  switch (member) {
    case 'action':
      return { changes: requested(['action', 'properties'], members, names, question.action.properties), checks: [] };
    case 'request':
      return { changes: requested(['context'], members, names, question.context), checks: [] };
    case 'can':
      return { changes: [], checks: [{ resource, permission: names[0] ?? '', subject: holder(acting) }] };
    case 'agent_can':
      return acting.agent === undefined
        ? NOTHING
        : { changes: [], checks: [{ resource, permission: names[0] ?? '', subject: acting.agent }] };
    case 'now':
      return { changes: hours(e), checks: [] };
    case 'delegation':
      return { changes: delegated(names[0] ?? '', e, known), checks: [] };
    default:
      return NOTHING;
  }
}

/** Values that the member at the path could have, and that there be none. */
function options(
  members: Members,
  [name = '', ...rest]: Path,
  given: Readonly<Record<string, unknown>>,
  literals: ReadonlySet<string | number>,
): unknown[] {
  const member = Object.hasOwn(members, name) ? members[name] : undefined;
  if (member === undefined) return [];
  const current = Object.hasOwn(given, name) ? given[name] : undefined;
  const type: CedarType = member.type;
  if (rest.length > 0) {
    const inner = typeof current === 'object' && current !== null ? (current as Record<string, unknown>) : {};
    return type.kind === 'Record' ? options(type.members, rest, inner, literals) : [];
  }
  const values = alternatives(type, current, literals);
  return member.required || current === undefined ? values : [...values, undefined];
}

/** The next twenty-four full hours. */
function hours({ now }: Established): Change[] {
  const next = Math.floor(now.getTime() / HOUR_MS) + 1;
  return Array.from({ length: 24 }, (_, i) => ({
    kind: 'time' as const,
    at: new Date((next + i) * HOUR_MS).toISOString(),
  }));
}

function delegated(member: string, { acting }: Established, literals: ReadonlySet<string | number>): Change[] {
  if (acting.grant === undefined) return [];
  const texts = [...literals].filter((one) => typeof one === 'string');
  switch (member) {
    case 'depth':
      return shorter(acting.chain.map(({ id }) => id));
    case 'scopes':
      return texts.map((scope) => ({ kind: 'token', scopes: [scope] }));
    case 'purpose':
      return [...texts, null].map((purpose) => ({ kind: 'token', purpose }));
    case 'access':
      return [{ kind: 'token', access: acting.grant.access === 'online' ? 'background' : 'online' }];
    default:
      return [];
  }
}

/** A chain without each of its agents, and without any. */
export function shorter(chain: readonly string[]): Change[] {
  const without = chain.map((_, i) => chain.filter((__, k) => k !== i));
  return [...without, ...(chain.length > 1 ? [[]] : [])].map((left) => ({ kind: 'token', chain: left }));
}
