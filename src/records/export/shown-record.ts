/**
 * A record as exports show it, and readers who see no values: what the log has of it, without people and values in clear.
 * Members are named, one by one, where a record isn't protected by itself: those of versions before, and what was reported.
 */
import { isChangeKind } from '../../model/changes.js';
import type { LoggedRecord } from '../../audit/leaf.js';

/** The members of an outcome that name no person and have no free text. */
const OUTCOME_MEMBERS = ['outcome', 'at', 'exceeds_reservation'] as const;
const UNPROTECTED_MEMBERS = [
  'id', 'evaluated_at', 'client', 'decision', 'dry_run', 'policy_version', 'search', 'found',
] as const; // prettier-ignore
const DECISION_KINDS_SHOWN: ReadonlySet<string> = new Set(['decision', 'list', 'correction']);

export type ShownMembers = Readonly<Record<string, unknown>>;

export function isMemberMap(value: unknown): value is ShownMembers {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function readNamedMember(value: unknown, name: string): unknown {
  return isMemberMap(value) ? value[name] : undefined;
}

/** Whether the record is of a decision or a list, first or corrected. */
export function isDecisionKind(kind: string): boolean {
  return DECISION_KINDS_SHOWN.has(kind);
}

export function toShownMembers({ kind, keys, record }: Pick<LoggedRecord, 'kind' | 'keys' | 'record'>): ShownMembers {
  if (kind === 'outcome') return pickMembers(record, OUTCOME_MEMBERS);
  if (!isDecisionKind(kind) && !isChangeKind(kind)) return {};
  if (keys['protected'] === true) return record;
  if (!isDecisionKind(kind)) return {};
  const { request, reasons } = record;
  const [action, resource] = [readNamedMember(request, 'action'), readNamedMember(request, 'resource')];
  return {
    ...pickMembers(record, UNPROTECTED_MEMBERS),
    request: {
      ...(typeof action === 'string'
        ? { action }
        : isMemberMap(action)
          ? { action: pickMembers(action, ['name']) }
          : {}),
      ...(isMemberMap(resource) ? { resource: pickMembers(resource, ['type']) } : {}),
    },
    ...(Array.isArray(reasons)
      ? { reasons: reasons.filter(isMemberMap).map((reason) => pickMembers(reason, ['code', 'step'])) }
      : {}),
  };
}

function pickMembers(members: ShownMembers, names: readonly string[]): ShownMembers {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(members, name) ? [[name, members[name]]] : [])));
}
