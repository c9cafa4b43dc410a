/** Reads what the declarations of entity types and of actions in the Cedar schema have in common. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FindingCollector, SourceLocation, Problem } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
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

/** Annotations that are nearly one of ours. Others are the author's own; a slip in ours would silently change a rule. */
export function findMisspelledAnnotations(
  annotations: Readonly<Record<string, string>>,
  knownNames: readonly string[],
): { readonly annotation: string; readonly problem: Problem }[] {
  return Object.keys(annotations).flatMap((name) => {
    if (knownNames.includes(name)) return [];
    const suggestion = suggestNearest(name, knownNames, '@');
    if (suggestion === undefined) return [];
    return [{ annotation: `@${name}`, problem: { message: `annotation "@${name}" is not known`, suggestion } }];
  });
}

/** @param annotations of one declaration, held against those that it may have */
export function reportMisspelledAnnotations(
  annotations: Readonly<Record<string, string>>,
  knownNames: readonly string[],
  locate: (annotation: string) => SourceLocation,
  findings: FindingCollector,
): void {
  for (const { annotation, problem } of findMisspelledAnnotations(annotations, knownNames))
    findings.error('unknown-annotation', locate(annotation), problem.message, problem.suggestion);
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
