/** Fills a mapping's templates with a call. What comes out is as untrusted as the server that wrote the mapping. */
import { CelError, type CelInputs } from './cel.js';
import { MappingError, type PartTemplate, type ValueTemplate } from './mapping.js';
import type { JsonMembers } from './tool-definition.js';

/** A part of a question, with the place that it has in the mapping. */
export interface ResolvedPart {
  readonly path: string;
  readonly values: JsonMembers;
}

/** @returns the members that have a value; none of an absent part. @throws MappingError */
export function resolvePart(part: PartTemplate | undefined, inputs: CelInputs): ResolvedPart {
  if (part === undefined) return { path: '', values: {} };
  return { path: part.path, values: resolveMembers(part.members, inputs, part.path) };
}

function resolveMembers(members: ReadonlyMap<string, ValueTemplate>, inputs: CelInputs, path: string): JsonMembers {
  const values = [...members].map(
    ([name, template]) => [name, resolveTemplate(template, inputs, `${path}.${name}`)] as const,
  );
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** @returns undefined where an expression says that there is no value */
function resolveTemplate(template: ValueTemplate, inputs: CelInputs, path: string): unknown {
  switch (template.kind) {
    case 'literal':
      return template.value;
    case 'expression':
      try {
        return template.expression.evaluate(inputs);
      } catch (error) {
        if (error instanceof CelError) throw new MappingError(error.message, path);
        throw error;
      }
    case 'list':
      return template.elements.map((element, i) => {
        const value = resolveTemplate(element, inputs, `${path}[${i}]`);
        if (value === undefined) throw new MappingError('must have a value', `${path}[${i}]`);
        return value;
      });
    case 'object':
      return resolveMembers(template.members, inputs, path);
  }
}
