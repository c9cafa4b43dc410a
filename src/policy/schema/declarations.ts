/** Reads what the declarations of entity types and of actions in the Cedar schema have in common. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FindingCollector, SourceLocation, Problem } from '../../diagnostics/diagnostics.js';
import type { ErrorRule } from '../../diagnostics/error-rules.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { DeclarationIndex } from './source-map.js';
import type { TypeReader } from './read-types.js';

/** Finds the place of a declaration, or of a part of it. */
export type LocateDeclaration = (...declaration: Parameters<DeclarationIndex['find']>) => SourceLocation;

/** Finds the place of a part of one declaration; without a part, of the declaration. */
export type LocatePart = (part?: string) => SourceLocation;

/** A schema that Cedar has read, with the way to the places of its declarations. */
export interface ParsedSchema {
  readonly json: SchemaJson<string>;
  readonly types: TypeReader;
  readonly locateDeclaration: LocateDeclaration;
  /** Collects what is wrong with the declarations. */
  readonly findings: FindingCollector;
}

export interface AnnotationProblem {
  readonly rule: Extract<ErrorRule, 'unknown-annotation' | 'invalid-annotation'>;
  /** Such as `@title`. */
  readonly annotation: string;
  readonly problem: Problem;
}

/** Finds what is wrong with annotations whatever they are about: names that are nearly one of ours, and control characters. */
export function findAnnotationProblems(
  annotations: Readonly<Record<string, string>>,
  knownNames: readonly string[],
): AnnotationProblem[] {
  return Object.entries(annotations).flatMap(([name, text]): AnnotationProblem[] => {
    const annotation = `@${name}`;
    const message = findControlCharacter(text);
    if (message !== undefined)
      return [{ rule: 'invalid-annotation', annotation, problem: { message: `${annotation} ${message}` } }];
    if (knownNames.includes(name)) return [];
    // Others are the author's own; a slip in ours would silently change a rule.
    const suggestion = suggestNearest(name, knownNames, '@');
    if (suggestion === undefined) return [];
    const problem = { message: `annotation "${annotation}" is not known`, suggestion };
    return [{ rule: 'unknown-annotation', annotation, problem }];
  });
}

/**
 * Annotations are shown to people and stand in records, which hold no NUL: a policy with one in its title would make every
 * decision that names it a fault.
 */
function findControlCharacter(text: string): string | undefined {
  const [character] = /(?![\t\r\n])\p{Cc}/u.exec(text) ?? [];
  if (character === undefined) return undefined;
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `holds the control character U+${code}: delete it`;
}

/** @param annotations of one declaration, held against those that it may have */
export function reportAnnotationProblems(
  annotations: Readonly<Record<string, string>>,
  knownNames: readonly string[],
  locate: (annotation: string) => SourceLocation,
  findings: FindingCollector,
): void {
  for (const { rule, annotation, problem } of findAnnotationProblems(annotations, knownNames))
    findings.error(rule, locate(annotation), problem.message, problem.suggestion);
}

/**
 * Reports a permission that a declaration names and the definition doesn't have.
 * @param beginning of the text: the annotation that names it, where the action may have several that do
 */
export function checkPermission(
  graph: GraphSchema,
  { object, permission }: { readonly object: string; readonly permission: string },
  location: SourceLocation,
  findings: FindingCollector,
  beginning = '',
): void {
  if (graph.hasMember(object, permission)) return;
  findings.error(
    'unknown-permission',
    location,
    `${beginning}definition "${object}" has no permission or relation "${permission}"`,
    suggestNearest(permission, graph.memberNames(object)),
  );
}

/** All that is reached from one node over one step or more. */
export function transitiveClosure(edges: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
  const reached = new Set<string>();
  const pending = [...(edges.get(from) ?? [])];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    pending.push(...(edges.get(next) ?? []));
  }
  return reached;
}
