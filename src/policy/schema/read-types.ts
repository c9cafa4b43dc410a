/** Reads Cedar's types from the schema, for its entity types and the contexts of its actions. */
import type { SchemaJson, Type, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs';
import type { Problem } from '../../diagnostics/diagnostics.js';
import { EXTENSIONS, type CedarType, type RecordMember, type RecordMembers } from './types.js';
import { namespaceOf } from './uid.js';

/** Names with a meaning in Cedar's JSON, or in JavaScript: a schema must not have members of these names. */
const RESERVED_NAMES = new Set(['__entity', '__extn', '__expr', '__proto__']);

/** Reports what is wrong with a type, and the member that has it. */
export type ReportTypeProblem = (problem: Problem, member?: string) => void;

/** Reads the types of a schema that Cedar has resolved; a name of a common type is followed. */
export class TypeReader {
  constructor(private readonly schema: SchemaJson<string>) {}

  /** The members of a record type. One that Remit can't give a value to is reported and left out. */
  members(type: Type<string> | undefined, report: ReportTypeProblem): RecordMembers {
    if (type === undefined) return {};
    const recordType = this.read(type, report);
    if (recordType.kind === 'Record') return recordType.members;
    report({ message: 'must be a record' });
    return {};
  }

  read(type: Type<string>, report: ReportTypeProblem): CedarType {
    const typeJson = type as {
      type: string;
      name?: string;
      element?: Type<string>;
      attributes?: Record<string, unknown>;
    };
    switch (typeJson.type) {
      case 'String':
      case '__cedar::String':
        return { kind: 'String' };
      case 'Long':
      case '__cedar::Long':
        return { kind: 'Long' };
      case 'Bool':
      case 'Boolean':
      case '__cedar::Bool':
        return { kind: 'Bool' };
      case 'Set':
        return { kind: 'Set', element: this.read(typeJson.element as Type<string>, report) };
      case 'Record':
        return {
          kind: 'Record',
          members: this.record(typeJson.attributes as Record<string, TypeOfAttribute<string>>, report),
        };
      case 'Entity':
        return this.entity(typeJson.name ?? '');
      case 'Extension':
        return this.extension(typeJson.name ?? '', report);
      default:
        return this.namedType(typeJson.type, report);
    }
  }

  private record(attributes: Record<string, TypeOfAttribute<string>>, report: ReportTypeProblem): RecordMembers {
    const members: Record<string, RecordMember> = {};
    for (const [name, attribute] of Object.entries(attributes)) {
      if (RESERVED_NAMES.has(name)) {
        report({ message: `"${name}" can't be a member's name` }, name);
        continue;
      }
      const { annotations } = attribute as { annotations?: Record<string, string> };
      members[name] = {
        type: this.read(attribute, (problem) => {
          report(problem, name);
        }),
        required: attribute.required ?? true,
        annotations: annotations ?? {},
      };
    }
    return members;
  }

  private entity(name: string): CedarType {
    const [namespace, shortName] = splitName(name);
    const declaration = this.schema[namespace]?.entityTypes[shortName];
    return declaration !== undefined && 'enum' in declaration
      ? { kind: 'Entity', name, ids: declaration.enum }
      : { kind: 'Entity', name };
  }

  private namedType(name: string, report: ReportTypeProblem): CedarType {
    const [namespace, shortName] = splitName(name);
    const commonType = this.schema[namespace]?.commonTypes?.[shortName];
    if (commonType !== undefined) return this.read(commonType, report);
    return this.extension(name.replace(/^__cedar::/, ''), report);
  }

  private extension(name: string, report: ReportTypeProblem): CedarType {
    const extension = EXTENSIONS.find((extension) => extension === name);
    if (extension !== undefined) return { kind: 'Extension', name: extension };
    report({ message: `type "${name}" is not known` });
    return { kind: 'String' };
  }
}

/** `["HR", "Employee"]` of `HR::Employee`. */
function splitName(name: string): readonly [string, string] {
  const namespace = namespaceOf(name);
  return [namespace, namespace === '' ? name : name.slice(namespace.length + 2)];
}
