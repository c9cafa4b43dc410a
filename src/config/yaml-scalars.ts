/**
 * Holds the plain values of a YAML file to one reading: YAML has more spellings of a number than JSON, two versions of
 * YAML disagree on some, and a double doesn't keep every number that can be written.
 */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node, type Scalar } from 'yaml';
import { isJsonNumber, isKeptExactly } from '../runtime/exact-number.js';
import { INEXACT_NUMBER } from '../runtime/strict-json.js';

export type YamlPath = readonly PropertyKey[];

export interface ScalarProblem {
  readonly path: YamlPath;
  readonly message: string;
}

/**
 * Finds values that another reader may take for something else.
 * @param isId whether an id is expected at a path. Such a text must be quoted where YAML 1.1 reads a number, a date or a
 * boolean: an id that a generator of files writes differently would name nothing, or another thing
 */
export function findScalarProblems(document: Document.Parsed, isId: (path: YamlPath) => boolean): ScalarProblem[] {
  const problems: ScalarProblem[] = [];
  const examine = (node: unknown, path: YamlPath): void => {
    const value: unknown = isAlias(node) ? node.resolve(document) : node;
    if (isMap(value))
      for (const { key, value: member } of value.items)
        examine(member, [...path, String(isScalar(key) ? key.value : key)]);
    else if (isSeq(value)) for (const [i, item] of value.items.entries()) examine(item, [...path, i]);
    else if (isScalar(value)) {
      const message = findNumberProblem(value) ?? (isId(path) ? findIdTextProblem(value) : undefined);
      if (message !== undefined) problems.push({ path, message });
    }
  };
  examine(document.contents, []);
  return problems;
}

function findNumberProblem({ value, source }: Scalar): string | undefined {
  if (typeof value !== 'number') return undefined;
  if (source === undefined || !isJsonNumber(source))
    return 'must be a number as JSON writes it, in decimal digits without leading zeros, or a text in quotes';
  return isKeptExactly(source) ? undefined : INEXACT_NUMBER;
}

function findIdTextProblem({ value, source, type, tag }: Scalar): string | undefined {
  if (typeof value !== 'string' || type !== 'PLAIN' || tag !== undefined || source === undefined) return undefined;
  const other: Node | null = parseDocument(source, { version: '1.1' }).contents;
  return isScalar(other) && other.value === value
    ? undefined
    : 'is a number, a date or a boolean for some readers of YAML: write it in quotes';
}
