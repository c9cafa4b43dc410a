/**
 * The mapping that a tool declares (`x-authzen-mapping`, the COAZ binding for MCP): templates of the questions that a call is.
 * It is parsed whole before any of it is used, and a mapping with anything in it that has no meaning is none.
 */
import { isObject } from '../policy/schema/types.js';
import { CelError, compileCel, type CelExpression } from './cel.js';
import type { JsonMembers } from './tool-definition.js';

export const MAPPING_MEMBER = 'x-authzen-mapping';

/** A mapping can't be used, or makes no question of a call. */
export class MappingError extends Error {
  override readonly name = 'MappingError';
  constructor(
    message: string,
    /** The place in the mapping: `evaluation.resource.id`. */
    readonly path: string,
  ) {
    super(path === '' ? message : `${path} ${message}`);
  }
}

export type ValueTemplate =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'expression'; readonly expression: CelExpression }
  | { readonly kind: 'list'; readonly elements: readonly ValueTemplate[] }
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, ValueTemplate> };

/** A part of a question, by its members; the path is for errors. */
export interface PartTemplate {
  readonly path: string;
  readonly members: ReadonlyMap<string, ValueTemplate>;
}

export interface QuestionTemplate {
  readonly action: PartTemplate;
  readonly resource: PartTemplate;
  readonly context: PartTemplate | undefined;
}

export interface ToolMapping {
  readonly subject: PartTemplate | undefined;
  /** All of them have to be allowed. */
  readonly questions: readonly QuestionTemplate[];
  /** The members of `params` and `token` that it reads. */
  readonly reads: readonly (readonly string[])[];
}

/** The most questions that a call is. */
const MAX_QUESTIONS = 20;
/** The most values in a mapping, and levels of them. */
const MAX_TEMPLATES = 200;
const MAX_TEMPLATE_DEPTH = 16;
const PART_MEMBERS = {
  subject: ['type', 'id', 'properties'],
  action: ['name', 'properties'],
  resource: ['type', 'id', 'properties'],
  context: undefined,
} as const;
type PartName = keyof typeof PART_MEMBERS;

/** @returns undefined where the tool declares none. @throws MappingError */
export function readMapping(inputSchema: JsonMembers): ToolMapping | undefined {
  return Object.hasOwn(inputSchema, MAPPING_MEMBER) ? new MappingReader().read(inputSchema[MAPPING_MEMBER]) : undefined;
}

class MappingReader {
  private readonly reads: (readonly string[])[] = [];
  private templates = 0;

  read(mapping: unknown): ToolMapping {
    if (!isObject(mapping)) throw new MappingError('must be an object', '');
    const [envelope, ...others] = Object.keys(mapping);
    if (others.length > 0 || (envelope !== 'evaluation' && envelope !== 'evaluations'))
      throw new MappingError('must have one member, "evaluation" or "evaluations"', '');
    const body = mapping[envelope];
    if (envelope === 'evaluation') {
      const { subject, ...parts } = this.parts(body, envelope, ['subject', 'action', 'resource', 'context']);
      return { subject, questions: [requireQuestion(parts, envelope)], reads: this.reads };
    }
    return this.readSeveral(body);
  }

  /** An entry's own parts stand in place of those that are said for all. */
  private readSeveral(body: unknown): ToolMapping {
    const entries = isObject(body) ? body['evaluations'] : undefined;
    if (!isObject(body) || !Array.isArray(entries))
      throw new MappingError('must have a list "evaluations"', 'evaluations');
    if (entries.length === 0 || entries.length > MAX_QUESTIONS)
      throw new MappingError(`must have 1 to ${MAX_QUESTIONS} entries`, 'evaluations.evaluations');
    const { evaluations: _, ...shared } = body;
    const { subject, ...defaults } = this.parts(shared, 'evaluations', ['subject', 'action', 'resource', 'context']);
    const questions = entries.map((entry, i) => {
      const path = `evaluations.evaluations[${i}]`;
      return requireQuestion({ ...defaults, ...this.parts(entry, path, ['action', 'resource', 'context']) }, path);
    });
    return { subject, questions, reads: this.reads };
  }

  private parts(value: unknown, path: string, allowed: readonly PartName[]): Partial<Record<PartName, PartTemplate>> {
    if (!isObject(value)) throw new MappingError('must be an object', path);
    const parts: Partial<Record<PartName, PartTemplate>> = {};
    for (const [name, part] of Object.entries(value)) {
      const partName = allowed.find((known) => known === name);
      if (partName === undefined)
        throw new MappingError(`must have no member but ${allowed.join(', ')}`, `${path}.${name}`);
      parts[partName] = this.part(part, `${path}.${name}`, PART_MEMBERS[partName]);
    }
    return parts;
  }

  private part(value: unknown, path: string, allowed: readonly string[] | undefined): PartTemplate {
    if (!isObject(value)) throw new MappingError('must be an object', path);
    const members = new Map<string, ValueTemplate>();
    for (const [name, member] of Object.entries(value)) {
      if (allowed?.includes(name) === false)
        throw new MappingError(`must have no member but ${allowed.join(', ')}`, `${path}.${name}`);
      members.set(name, this.template(member, `${path}.${name}`, MAX_TEMPLATE_DEPTH));
    }
    return { path, members };
  }

  private template(value: unknown, path: string, levels: number): ValueTemplate {
    this.templates += 1;
    if (this.templates > MAX_TEMPLATES) throw new MappingError(`must have at most ${MAX_TEMPLATES} values`, '');
    if (levels === 0) throw new MappingError(`must have at most ${MAX_TEMPLATE_DEPTH} levels`, path);
    if (typeof value === 'string') return this.text(value, path);
    if (Array.isArray(value))
      return { kind: 'list', elements: value.map((part, i) => this.template(part, `${path}[${i}]`, levels - 1)) };
    if (!isObject(value)) return { kind: 'literal', value };
    const members = Object.entries(value).map(
      ([name, part]) => [name, this.template(part, `${path}.${name}`, levels - 1)] as const,
    );
    return { kind: 'object', members: new Map(members) };
  }

  /** A text that begins with `$` is an expression, and one with `$$` a text that begins with `$`. */
  private text(text: string, path: string): ValueTemplate {
    if (!text.startsWith('$')) return { kind: 'literal', value: text };
    if (text.startsWith('$$')) return { kind: 'literal', value: text.slice(1) };
    try {
      const expression = compileCel(text.slice(1));
      this.reads.push(...expression.reads);
      return { kind: 'expression', expression };
    } catch (error) {
      if (error instanceof CelError) throw new MappingError(error.message, path);
      throw error;
    }
  }
}

/** @throws MappingError where the question has no action or no resource */
function requireQuestion(
  { action, resource, context }: Partial<Record<PartName, PartTemplate>>,
  path: string,
): QuestionTemplate {
  if (action === undefined) throw new MappingError('must have an action', path);
  if (resource === undefined) throw new MappingError('must have a resource', path);
  return { action, resource, context };
}
