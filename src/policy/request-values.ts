/**
 * Converts what is stored and stated to the values that Cedar is given: of each only what is read, and with a note of
 * each required part that is nowhere.
 */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import { formatAttributePath, type EntityWithAncestors } from '../model/entities.js';
import type { EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { MissingValue } from '../model/reasons.js';
import { memoizeByObject } from '../runtime/memoize.js';
import type { ValueReads } from './policy-reads.js';
import type { ReachedEntity } from './reached-entities.js';
import type { EntityType } from './schema/action.js';
import {
  getStatedMember,
  InvalidValueError,
  isObject,
  listDeclaredMembers,
  toCedarValue,
  type CedarType,
} from './schema/types.js';
import type { EntityUid } from './schema/uid.js';
import type { Vocabulary } from './schema/vocabulary.js';

/** A value as it was found, and where. */
interface SourceValue {
  readonly value: unknown;
  /** Within the entity: `address`; of the context: `context.action`. */
  readonly path: string;
  /** The entity, the names within it, and those left out of it; undefined for a value of the context. */
  readonly within?: {
    readonly entity: EntityRef;
    readonly names: readonly string[];
    readonly omitted: ReadonlySet<string>;
  };
}

const NOTHING_OMITTED: ReadonlySet<string> = new Set();

export class RequestValues {
  readonly missing: MissingValue[] = [];

  constructor(private readonly vocabulary: Vocabulary) {}

  /** @param requireAll false: required attributes that aren't read may be missing */
  entity(
    { uid, reads }: ReachedEntity,
    type: EntityType,
    stored: EntityWithAncestors | undefined,
    overrides: Properties,
    requireAll: boolean,
  ): EntityJson {
    const attrs: Record<string, CedarValueJson> = {};
    const omitted = stored?.omitted ?? NOTHING_OMITTED;
    const entity = { type: type.object, id: uid.id };
    for (const [name, member] of listDeclaredMembers(type.attributes)) {
      const memberReads = reads.members.get(name);
      const properties = getStatedMember(overrides, name) !== undefined ? overrides : (stored?.attributes ?? {});
      const stated = getStatedMember(properties, name);
      if (stated === undefined) {
        const isThere = omitted.size > 0 && omitted.has(formatAttributePath([name]));
        const isNeeded = memberReads === undefined ? member.required && requireAll : member.required || isThere;
        if (isNeeded && (memberReads !== undefined || !isThere)) this.missing.push({ entity, path: name });
      } else if (memberReads !== undefined) {
        const within = { entity, names: [name], omitted: properties === overrides ? NOTHING_OMITTED : omitted };
        const value = this.convert(member.type, memberReads, { value: stated, path: name, within });
        if (value !== undefined) attrs[name] = value;
      }
    }
    return { uid, attrs, parents: reads.ancestors ? this.parentsOf(uid, stored) : [] };
  }

  /** @param reads undefined where it isn't read, and only has to be complete */
  contextMember(
    name: string,
    type: CedarType,
    reads: ValueReads | undefined,
    value: unknown,
  ): CedarValueJson | undefined {
    return this.convert(type, reads ?? unreadValue(type), { value, path: `context.${name}` });
  }

  private parentsOf(uid: EntityUid, stored: EntityWithAncestors | undefined): EntityUid[] {
    return (stored?.ancestors ?? []).flatMap((parent) =>
      // Even parents that the schema wouldn't allow: leaving one out could lose a forbid about it.
      (this.vocabulary.typesByObject.get(parent.type) ?? [])
        .map((t) => ({ type: t.name, id: parent.id }))
        // Stored parents may form a cycle, and Cedar refuses an entity that is its own ancestor.
        .filter((p) => p.type !== uid.type || p.id !== uid.id),
    );
  }

  /** @returns undefined, and notes it as missing, where a required part isn't there or a stored value no longer fits */
  private convert(type: CedarType, reads: ValueReads, source: SourceValue): CedarValueJson | undefined {
    if (type.kind === 'Record' && !reads.whole) return this.convertMembers(type, reads, source);
    try {
      return toCedarValue(type, source.value, source.path, this.vocabulary.objectOf);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      this.noteMissing(error.path, source.within, !error.missing);
      return undefined;
    }
  }

  /** Converts the members of a record that are read. The others only have to be there where they are required. */
  private convertMembers(
    type: Extract<CedarType, { kind: 'Record' }>,
    reads: ValueReads,
    { value, path, within }: SourceValue,
  ): CedarValueJson | undefined {
    if (!isObject(value)) {
      this.noteMissing(path, within, true);
      return undefined;
    }
    const record: Record<string, CedarValueJson> = {};
    for (const [name, member] of listDeclaredMembers(type.members)) {
      const memberReads = reads.members.get(name);
      const memberPath = `${path}.${name}`;
      const names = within === undefined ? [] : [...within.names, name];
      const stated = getStatedMember(value, name);
      if (stated === undefined) {
        const isThere = within?.omitted.has(formatAttributePath(names)) ?? false;
        if (memberReads === undefined ? member.required && !isThere : member.required || isThere)
          this.noteMissing(memberPath, within);
      } else if (memberReads !== undefined || within === undefined) {
        const source = { value: stated, path: memberPath, ...(within && { within: { ...within, names } }) };
        const converted = this.convert(member.type, memberReads ?? unreadValue(member.type), source);
        if (converted !== undefined && memberReads !== undefined) record[name] = converted;
      }
    }
    return record;
  }

  private noteMissing(path: string, within: SourceValue['within'], unfit = false): void {
    this.missing.push({ ...(within && { entity: within.entity }), path, ...(unfit && { unfit }) });
  }
}

const unreadValue = memoizeByObject((type: CedarType): ValueReads => ({
  type,
  members: new Map(),
  whole: false,
  ancestors: false,
}));
