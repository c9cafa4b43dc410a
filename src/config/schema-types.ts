/** Reads from a zod schema what it expects at a path, for messages about keys and for texts that must be quoted. */
import { z } from 'zod';

const idTexts = z.registry<{ readonly isId: true }>();

/** Makes a text an id: unquoted, it must be text for every reader of YAML (`yaml-scalars.ts` checks it). */
export function markId(text: z.ZodString): z.ZodString {
  return text.register(idTexts, { isId: true });
}

/** An id in a file. What else an id must be is checked where it is used. */
export const idText = markId(z.string().min(1).max(1024));

/** Whether an id is expected at the path. A schema inherits it from the one that it was described from. */
export function expectsId(schema: z.ZodType, path: readonly PropertyKey[]): boolean {
  return listTypesAt(schema, path).some((type) => idTexts.get(type as z.ZodType)?.isId === true);
}

/** The keys of all objects that the schema allows at the path. */
export function listKnownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  return listTypesAt(schema, path).flatMap((type) => {
    const { shape, keyType } = type._zod.def as { shape?: object; keyType?: z.core.$ZodType };
    return [...Object.keys(shape ?? {}), ...(keyType?._zod.values ?? [])].map(String);
  });
}

function listTypesAt(schema: z.ZodType, path: readonly PropertyKey[]): z.core.$ZodType[] {
  let types: z.core.$ZodType[] = listUnionMembers(schema);
  for (const part of path) {
    types = types.flatMap((type) => {
      const { def } = type._zod;
      const object = def as {
        shape?: Record<string, z.core.$ZodType>;
        element?: z.core.$ZodType;
        valueType?: z.core.$ZodType;
      };
      const { shape = {} } = object;
      const member = Object.hasOwn(shape, String(part)) ? shape[String(part)] : undefined;
      const next = member ?? object.element ?? object.valueType;
      return next === undefined ? [] : listUnionMembers(next);
    });
  }
  return types;
}

function listUnionMembers(type: z.core.$ZodType): z.core.$ZodType[] {
  const { innerType, options } = type._zod.def as { innerType?: z.core.$ZodType; options?: z.core.$ZodType[] };
  if (innerType !== undefined) return listUnionMembers(innerType);
  return options === undefined ? [type] : options.flatMap(listUnionMembers);
}
