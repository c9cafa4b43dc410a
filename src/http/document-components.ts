/**
 * Mends the components of the OpenAPI document, so that types that are generated from it are those of the API: a format has
 * one name, a member with a default may be left out of a request, and so may a body that may be null.
 */
type JsonObject = Record<string, unknown>;

interface OpenApiDocument {
  readonly paths?: Readonly<Record<string, object | undefined>> | undefined;
  readonly components?: { schemas?: Readonly<Record<string, object>> } | undefined;
}

const PREFIX = '#/components/schemas/';
const INPUT = 'Input';

/** @param document as it is generated: each format twice, as it is read (`NameInput`) and as it is answered (`Name`) */
export function mendComponents<T extends OpenApiDocument>(document: T): T {
  const schemas = (document.components?.schemas ?? {}) as Readonly<Record<string, JsonObject>>;
  const used = listReachable(document.paths, schemas);
  const renamed = new Map<string, string>();
  const kept: Record<string, JsonObject> = {};
  for (const [name, schema] of Object.entries(schemas)) {
    const base = name.endsWith(INPUT) ? name.slice(0, -INPUT.length) : undefined;
    if (base === undefined || schemas[base] === undefined) {
      // What is read and never answered has the name alone.
      if (!used.has(name) && used.has(`${name}${INPUT}`)) continue;
      kept[name] = schema;
    } else if (used.has(name)) {
      const target = used.has(base) ? name : base;
      renamed.set(PREFIX + name, PREFIX + target);
      kept[target] = describeDefaults(schema) as JsonObject;
    }
  }
  const rename = <V>(value: V): V => renameReferences(value, renamed) as V;
  const paths = Object.fromEntries(
    Object.entries(document.paths ?? {}).map(([path, item]) => [path, rename(relaxBodies(item, schemas))]),
  );
  return { ...document, paths, components: { ...document.components, schemas: rename(kept) } };
}

/** Lists the components that the value refers to, itself or by others. */
function listReachable(value: unknown, schemas: Readonly<Record<string, JsonObject>>): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    for (const [key, inner] of Object.entries(part)) {
      if (key === '$ref' && typeof inner === 'string' && inner.startsWith(PREFIX)) {
        const name = inner.slice(PREFIX.length);
        if (reached.has(name)) continue;
        reached.add(name);
        visit(schemas[name]);
      } else visit(inner);
    }
  };
  visit(value);
  return reached;
}

function renameReferences(value: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((element) => renameReferences(element, renamed));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string' ? (renamed.get(inner) ?? inner) : renameReferences(inner, renamed),
    ]),
  );
}

/** Says the defaults of a request in words: for generators a member with a default is one that is always there. */
function describeDefaults(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(describeDefaults);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { default: preset, ...rest } = schema as JsonObject;
  const members = Object.entries(rest).map(([key, inner]) => [key, describeKeyword(key, inner)] as const);
  if (preset === undefined) return Object.fromEntries(members);
  const said = typeof rest['description'] === 'string' ? `${rest['description']}. ` : '';
  return { ...Object.fromEntries(members), description: `${said}Absent: \`${JSON.stringify(preset)}\`` };
}

function describeKeyword(key: string, value: unknown): unknown {
  if (key === 'example' || key === 'examples' || key === 'enum' || key === 'const') return value;
  if (key !== 'properties') return describeDefaults(value);
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([name, inner]) => [name, describeDefaults(inner)]),
  );
}

/** Says of bodies that may be null that they may be left out. */
function relaxBodies(item: object | undefined, schemas: Readonly<Record<string, JsonObject>>): object {
  const operations = Object.entries(item ?? {}) as [string, { requestBody?: JsonObject }][];
  return Object.fromEntries(
    operations.map(([method, operation]) => {
      const { requestBody } = operation;
      if (requestBody === undefined) return [method, operation];
      const content = requestBody['content'] as Readonly<Record<string, { schema?: JsonObject }>>;
      const isOptional = Object.values(content).every(({ schema }) => isNullable(schema, schemas));
      return [method, isOptional ? { ...operation, requestBody: { ...requestBody, required: false } } : operation];
    }),
  );
}

function isNullable(schema: JsonObject | undefined, schemas: Readonly<Record<string, JsonObject>>): boolean {
  const reference = schema?.['$ref'];
  const format = typeof reference === 'string' ? schemas[reference.slice(PREFIX.length)] : schema;
  const alternatives = format?.['anyOf'];
  return Array.isArray(alternatives) && alternatives.some((alternative: JsonObject) => alternative['type'] === 'null');
}
