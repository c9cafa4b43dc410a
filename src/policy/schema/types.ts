/**
 * Cedar's types as the schema declares them, and the conversion of a caller's JSON to Cedar values by those types.
 * Only declared members are read, so no member name of a caller's JSON (`__entity`, `__extn`) ever reaches Cedar.
 */
import { isIP } from 'node:net';
import type { CedarValueJson, SchemaJson, Type, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs';
import { instantOf } from '../../model/instants.js';
import { idProblem } from '../../model/ids.js';
import type { Problem } from '../../diagnostics/diagnostics.js';

export type CedarType =
  | { readonly kind: 'String' | 'Long' | 'Bool' }
  | { readonly kind: 'Set'; readonly element: CedarType }
  | { readonly kind: 'Record'; readonly members: Members }
  | { readonly kind: 'Entity'; readonly name: string }
  | { readonly kind: 'Extension'; readonly name: 'datetime' | 'duration' | 'decimal' | 'ipaddr' };

export interface Member {
  readonly type: CedarType;
  readonly required: boolean;
  readonly annotations: Readonly<Record<string, string>>;
}
export type Members = Readonly<Record<string, Member>>;

const EXTENSIONS = ['datetime', 'duration', 'decimal', 'ipaddr'] as const;
const MAX_SET = 1000;
/** Cedar's JSON escapes: a schema must not use them as member names. */
const RESERVED = new Set(['__entity', '__extn', '__expr', '__proto__']);

/** Takes what is wrong with a type, and the member that it is about. */
export type ReportType = (problem: Problem, member?: string) => void;

/** Reads the types of a schema that Cedar has resolved (schemaToJsonWithResolvedTypes), following common types. */
export class TypeReader {
  constructor(private readonly schema: SchemaJson<string>) {}

  /** @param report takes what can't be given a value; it is left out */
  members(type: Type<string> | undefined, report: ReportType): Members {
    if (type === undefined) return {};
    const read = this.read(type, report);
    if (read.kind === 'Record') return read.members;
    report({ message: 'must be a record' });
    return {};
  }

  read(type: Type<string>, report: ReportType): CedarType {
    const named = type as { type: string; name?: string; element?: Type<string>; attributes?: Record<string, unknown> };
    switch (named.type) {
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
        return { kind: 'Set', element: this.read(named.element as Type<string>, report) };
      case 'Record':
        return {
          kind: 'Record',
          members: this.record(named.attributes as Record<string, TypeOfAttribute<string>>, report),
        };
      case 'Entity':
        return { kind: 'Entity', name: named.name ?? '' };
      case 'Extension':
        return this.extension(named.name ?? '', report);
      default:
        return this.named(named.type, report);
    }
  }

  private record(attributes: Record<string, TypeOfAttribute<string>>, report: ReportType): Members {
    const members: Record<string, Member> = {};
    for (const [name, attribute] of Object.entries(attributes)) {
      if (RESERVED.has(name)) {
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

  private named(name: string, report: ReportType): CedarType {
    const cut = name.lastIndexOf('::');
    const space = cut === -1 ? '' : name.slice(0, cut);
    const common = this.schema[space]?.commonTypes?.[cut === -1 ? name : name.slice(cut + 2)];
    if (common !== undefined) return this.read(common, report);
    return this.extension(name.replace(/^__cedar::/, ''), report);
  }

  private extension(name: string, report: ReportType): CedarType {
    const known = EXTENSIONS.find((extension) => extension === name);
    if (known !== undefined) return { kind: 'Extension', name: known };
    report({ message: `type "${name}" is not known` });
    return { kind: 'String' };
  }
}

/** A value that isn't of the declared type; `at` is a path within the caller's object. */
export class ValueProblem extends Error {
  override readonly name = 'ValueProblem';
  constructor(
    message: string,
    readonly at: string,
    /** True where nothing was given for a required member, rather than something of a wrong type. */
    readonly missing = false,
  ) {
    super(message);
  }
}

/**
 * The Cedar JSON of `value` as `type`, without what the type doesn't declare.
 * @param objectOf names the SpiceDB definition of a Cedar entity type, so that callers can write either
 * @throws ValueProblem
 */
export function toCedar(
  type: CedarType,
  value: unknown,
  at: string,
  objectOf: (name: string) => string,
): CedarValueJson {
  switch (type.kind) {
    case 'String':
      if (typeof value !== 'string') throw new ValueProblem('must be a string', at);
      if (!value.isWellFormed()) throw new ValueProblem('must be well-formed Unicode', at);
      return value;
    case 'Bool':
      if (typeof value !== 'boolean') throw new ValueProblem('must be true or false', at);
      return value;
    case 'Long':
      if (!Number.isSafeInteger(value)) throw new ValueProblem('must be a whole number within ±(2^53 − 1)', at);
      return value as number;
    case 'Set':
      if (!Array.isArray(value)) throw new ValueProblem('must be a list', at);
      if (value.length > MAX_SET) throw new ValueProblem(`must have at most ${MAX_SET} elements`, at);
      return value.map((element, i) => toCedar(type.element, element, `${at}[${i}]`, objectOf));
    case 'Record': {
      if (!isObject(value)) throw new ValueProblem('must be an object', at);
      return membersToCedar(type.members, value, at, objectOf);
    }
    case 'Entity':
      return { __entity: { type: type.name, id: entityId(type.name, value, at, objectOf) } };
    case 'Extension':
      return extensionValue(type.name, value, at);
  }
}

/** As {@link toCedar} for each declared member that is given. @throws ValueProblem, `missing` for a required one. */
export function membersToCedar(
  members: Members,
  given: Readonly<Record<string, unknown>>,
  at: string,
  objectOf: (name: string) => string,
): Record<string, CedarValueJson> {
  const out: Record<string, CedarValueJson> = {};
  for (const [name, member] of Object.entries(members)) {
    const path = at === '' ? name : `${at}.${name}`;
    if (!Object.hasOwn(given, name)) {
      if (member.required) throw new ValueProblem('is required', path, true);
      continue;
    }
    out[name] = toCedar(member.type, given[name], path, objectOf);
  }
  return out;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function entityId(name: string, value: unknown, at: string, objectOf: (name: string) => string): string {
  const problem = `must be the id of a ${objectOf(name)}, or {"type": "${objectOf(name)}", "id": …}`;
  const id = isObject(value) && (value['type'] === objectOf(name) || value['type'] === name) ? value['id'] : value;
  if (typeof id !== 'string') throw new ValueProblem(problem, at);
  const bad = idProblem(id);
  if (bad !== undefined) throw new ValueProblem(bad, at);
  return id;
}

function extensionValue(name: (typeof EXTENSIONS)[number], value: unknown, at: string): CedarValueJson {
  const call = (fn: string, arg: string): CedarValueJson => ({ __extn: { fn, arg } });
  switch (name) {
    case 'datetime': {
      const day = typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value);
      const date = typeof value === 'string' ? instantOf(day ? `${value}T00:00:00Z` : value) : undefined;
      if (date === undefined) throw new ValueProblem('must be an instant such as "2030-01-01T00:00:00Z"', at);
      return datetime(date);
    }
    case 'duration':
      if (
        typeof value !== 'string' ||
        !/^-?(?=\d)(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?(\d{1,12}ms)?$/.test(value)
      ) {
        throw new ValueProblem('must be a duration such as "1h30m"', at);
      }
      return call('duration', value);
    case 'decimal': {
      const text = typeof value === 'number' ? decimalText(value) : value;
      if (typeof text !== 'string' || !/^-?\d{1,14}\.\d{1,4}$/.test(text)) {
        throw new ValueProblem('must be a decimal with one to four digits after the point, such as "12.50"', at);
      }
      return call('decimal', text);
    }
    case 'ipaddr': {
      const [, address = '', bits] =
        typeof value === 'string' ? (/^([\da-fA-F.:]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(value) ?? []) : [];
      const version = isIP(address);
      // Cedar takes no IPv4 within IPv6.
      const mixed = version === 6 && address.includes('.');
      if (version === 0 || mixed || Number(bits ?? 0) > (version === 4 ? 32 : 128)) {
        throw new ValueProblem('must be an IP address or range such as "10.0.0.0/8"', at);
      }
      return call('ip', value as string);
    }
  }
}

/** The instant as Cedar's `datetime`. */
export function datetime(date: Date): CedarValueJson {
  return { __extn: { fn: 'datetime', arg: date.toISOString() } };
}

function decimalText(value: number): string {
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
