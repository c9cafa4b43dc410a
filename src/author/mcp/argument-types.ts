/**
 * The Cedar types of a tool's arguments. Cedar has no unions and no open records: an argument that may be of several types is
 * left out, so that no policy reads it where it happens to fit. `remit mcp check` names those. A number is a decimal, which
 * has four digits after the point; a call with more is refused rather than rounded.
 */
import { ARGUMENTS_DIGEST } from '../../mcp/argument-digest.js';
import { findMcpNameProblem, type JsonMembers } from '../../mcp/tool-definition.js';
import { ToolRefused } from './tool-refused.js';
import { isObject } from '../../policy/schema/types.js';

export type ArgumentType =
  | { readonly kind: 'String' | 'Long' | 'Bool' | 'decimal' }
  | { readonly kind: 'Set'; readonly element: ArgumentType }
  | { readonly kind: 'Record'; readonly members: readonly ArgumentMember[] };

export interface ArgumentMember {
  readonly name: string;
  readonly required: boolean;
  readonly type: ArgumentType;
}

/** Records within records that are declared; the ones below are left out. */
const MAX_RECORD_LEVELS = 4;
/** The schemas that are read of a tool: references can make a short text as large as one likes. */
const MAX_SCHEMAS = 200;
/** Names with a meaning in Cedar's JSON, and the one that the digest of all arguments has. */
const RESERVED_ARGUMENTS = new Set(['__entity', '__extn', '__expr', ARGUMENTS_DIGEST]);
const REFERENCE = /^#\/(\$defs|definitions)\/([^/~%]+)$/;

/** @throws ToolRefused where an argument has a name that can't be written, or where there are too many */
export function readArguments(inputSchema: JsonMembers): readonly ArgumentMember[] {
  return new ArgumentReader(inputSchema).members(inputSchema, 0, new Set());
}

class ArgumentReader {
  private schemas = 0;

  constructor(private readonly root: JsonMembers) {}

  members({ properties, required }: JsonMembers, level: number, followed: ReadonlySet<string>): ArgumentMember[] {
    if (!isObject(properties)) return [];
    const names = Object.keys(properties).sort();
    for (const name of names) {
      const problem = RESERVED_ARGUMENTS.has(name) ? 'is reserved' : findMcpNameProblem(name);
      if (problem !== undefined)
        throw new ToolRefused(`has an argument ${JSON.stringify(name.slice(0, 40))} whose name ${problem}`);
    }
    return names.flatMap((name) => {
      const declared = this.type(properties[name], level, followed);
      if (declared === undefined) return [];
      const isRequired = Array.isArray(required) && required.includes(name) && !declared.nullable;
      return [{ name, required: isRequired, type: declared.type }];
    });
  }

  /** @returns undefined where Cedar has no type for all values that the schema allows */
  private type(
    schema: unknown,
    level: number,
    followed: ReadonlySet<string>,
  ): { readonly type: ArgumentType; readonly nullable: boolean } | undefined {
    this.schemas += 1;
    if (this.schemas > MAX_SCHEMAS) throw new ToolRefused(`has more than ${MAX_SCHEMAS} arguments and parts of them`);
    if (!isObject(schema)) return undefined;
    const { $ref: reference } = schema;
    if (reference !== undefined) return this.referencedType(reference, level, followed);
    const alternatives = [schema['anyOf'], schema['oneOf']].find((list) => Array.isArray(list)) as
      unknown[] | undefined;
    if (alternatives !== undefined && schema['type'] === undefined) {
      const others = alternatives.filter((alternative) => !isNullSchema(alternative));
      const single = others.length === 1 ? this.type(others[0], level, followed) : undefined;
      return single && { ...single, nullable: single.nullable || others.length < alternatives.length };
    }
    const kinds = listKinds(schema);
    const [kind, ...otherKinds] = kinds.filter((name) => name !== 'null');
    if (kind === undefined || otherKinds.length > 0) return undefined;
    const type = this.typeOfKind(kind, schema, level, followed);
    return type && { type, nullable: kinds.includes('null') };
  }

  private typeOfKind(
    kind: string,
    schema: JsonMembers,
    level: number,
    followed: ReadonlySet<string>,
  ): ArgumentType | undefined {
    switch (kind) {
      case 'string':
        return { kind: 'String' };
      case 'boolean':
        return { kind: 'Bool' };
      case 'integer':
        return { kind: 'Long' };
      case 'number':
        return { kind: 'decimal' };
      case 'array': {
        const element = this.type(schema['items'], level, followed);
        return element === undefined || element.nullable ? undefined : { kind: 'Set', element: element.type };
      }
      case 'object': {
        if (level >= MAX_RECORD_LEVELS) return undefined;
        const members = this.members(schema, level + 1, followed);
        return members.length === 0 ? undefined : { kind: 'Record', members };
      }
      default:
        return undefined;
    }
  }

  /** Follows a reference within the schema. One that leads back to itself has no type in Cedar. */
  private referencedType(
    reference: unknown,
    level: number,
    followed: ReadonlySet<string>,
  ): ReturnType<ArgumentReader['type']> {
    const [text, group = '', name = ''] = typeof reference === 'string' ? (REFERENCE.exec(reference) ?? []) : [];
    if (text === undefined || followed.has(text)) return undefined;
    const definitions = this.root[group];
    if (!isObject(definitions) || !Object.hasOwn(definitions, name)) return undefined;
    return this.type(definitions[name], level, new Set([...followed, text]));
  }
}

function isNullSchema(schema: unknown): boolean {
  return isObject(schema) && schema['type'] === 'null';
}

/** The JSON types of the values that a schema allows; none where it doesn't say. */
function listKinds({ type, enum: values, const: value }: JsonMembers): string[] {
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.filter((kind) => typeof kind === 'string');
  const allowed = Array.isArray(values) ? values : value === undefined ? [] : [value];
  return [...new Set(allowed.map(kindOfValue))];
}

function kindOfValue(value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}

/** A value of the type with nothing in it that isn't required, for tests to begin with. */
export function sampleArgument(type: ArgumentType): unknown {
  switch (type.kind) {
    case 'String':
      return 'x';
    case 'Bool':
      return true;
    case 'Long':
      return 1;
    case 'decimal':
      return 1.5;
    case 'Set':
      return [];
    case 'Record':
      return sampleArguments(type.members);
  }
}

export function sampleArguments(members: readonly ArgumentMember[]): Record<string, unknown> {
  const required = members.filter((member) => member.required);
  return Object.fromEntries(required.map(({ name, type }) => [name, sampleArgument(type)]));
}
