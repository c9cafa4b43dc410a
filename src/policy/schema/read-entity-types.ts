/** The entity types of the Cedar schema: what each stands for in SpiceDB, and the attributes that it may have. */
import type { SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import { findRelationNameProblem } from '../../model/relationships.js';
import type { EntityType } from './action.js';
import {
  checkPermission,
  reportAnnotationProblems,
  transitiveClosure,
  type LocatePart,
  type ParsedSchema,
} from './declarations.js';
import type { RecordMembers } from './types.js';
import { qualifyName } from './uid.js';

const ENTITY_ANNOTATIONS = ['object', 'title', 'open', 'person', 'audit'];
const ATTRIBUTE_ANNOTATIONS = ['class', 'title'];

type EntityTypeJson = SchemaJson<string>[string]['entityTypes'][string];

/**
 * @param graph undefined where the SpiceDB schema can't be read: then nothing is held against it
 * @returns the entity types by their qualified names; what is wrong with them goes to the schema's findings
 */
export function readEntityTypes(schema: ParsedSchema, graph: GraphSchema | undefined): Map<string, EntityType> {
  const parents = new Map<string, readonly string[]>();
  const declarations = Object.entries(schema.json).flatMap(([namespace, contents]) =>
    Object.entries(contents.entityTypes).map(([name, json]) => ({ namespace, name, json })),
  );
  for (const { namespace, name, json } of declarations)
    parents.set(qualifyName(namespace, name), 'memberOfTypes' in json ? (json.memberOfTypes ?? []) : []);
  return new Map(
    declarations.map(({ namespace, name, json }) => {
      const type = readEntityType(namespace, name, json, schema, graph);
      return [type.name, { ...type, ancestors: transitiveClosure(parents, type.name) }];
    }),
  );
}

function readEntityType(
  namespace: string,
  shortName: string,
  json: EntityTypeJson,
  { types, locateDeclaration, findings }: ParsedSchema,
  graph: GraphSchema | undefined,
): Omit<EntityType, 'ancestors'> {
  const name = qualifyName(namespace, shortName);
  const annotations = json.annotations ?? {};
  const locate: LocatePart = (part) => locateDeclaration('entity', namespace, shortName, part);
  reportAnnotationProblems(annotations, ENTITY_ANNOTATIONS, locate, findings);
  if ('tags' in json)
    findings.error('unsupported-type', locate(), `"${name}" has tags, which Remit does not supply: declare attributes`);
  const attributes =
    'shape' in json
      ? types.members(json.shape, ({ message }, member) => {
          findings.error('unsupported-type', locate(member), message);
        })
      : {};
  const object = annotations['object'] ?? snakeCase(shortName);
  for (const mark of ['open', 'person'])
    if ((annotations[mark] ?? '') !== '')
      findings.error('invalid-annotation', locate(`@${mark}`), `@${mark} has no value: it is written @${mark}`);
  const open = annotations['open'] !== undefined;
  const person = annotations['person'] !== undefined;
  const audit = readAudit(annotations['audit'], object, locate, findings, graph);
  const ids = 'enum' in json ? json.enum : undefined;
  return { name, object, attributes, open, person, audit, ids, ...collectFields(attributes, locate, findings) };
}

/** Reads `@audit`. A permission that there is none of would be one that is held by no person, without a word. */
function readAudit(
  permission: string | undefined,
  object: string,
  locate: LocatePart,
  findings: FindingCollector,
  graph: GraphSchema | undefined,
): string | undefined {
  if (permission === undefined) return undefined;
  const problem = findRelationNameProblem(permission);
  if (problem !== undefined)
    findings.error('invalid-annotation', locate('@audit'), `@audit "${permission}" ${problem}`);
  else if (graph !== undefined && !graph.hasDefinition(object))
    findings.error('unknown-definition', locate('@audit'), `@audit: the SpiceDB schema has no definition "${object}"`);
  else if (graph !== undefined) checkPermission(graph, { object, permission }, locate('@audit'), findings, '@audit: ');
  return permission;
}

function collectFields(
  attributes: RecordMembers,
  locate: LocatePart,
  findings: FindingCollector,
): Pick<EntityType, 'paths' | 'classes'> {
  const paths = new Set<string>();
  const classes = new Map<string, string[]>();
  const walk = (members: RecordMembers, prefix: string): void => {
    for (const [name, member] of Object.entries(members)) {
      const path = `${prefix}${name}`;
      reportAnnotationProblems(member.annotations, ATTRIBUTE_ANNOTATIONS, () => locate(path), findings);
      const className = member.annotations['class'];
      if (name.includes('.')) {
        // Nothing could name it: `a.b` is the `b` of an `a`.
        if (className !== undefined)
          findings.error('invalid-annotation', locate(path), `an attribute of a @class has no "." in its name`);
        continue;
      }
      paths.add(path);
      if (className !== undefined) classes.set(className, [...(classes.get(className) ?? []), path]);
      let { type } = member;
      while (type.kind === 'Set') type = type.element;
      if (type.kind === 'Record') walk(type.members, `${path}.`);
    }
  };
  walk(attributes, '');
  for (const [className, fields] of classes)
    if (paths.has(className) && fields.some((path) => path !== className))
      findings.error(
        'invalid-annotation',
        locate(className),
        `"${className}" is an attribute and a @class of others, so a duty such as "mask:${className}" would be ambiguous: rename one`,
      );
  return { paths, classes };
}

/** `PurchaseOrder` → `purchase_order`: the definition of a type that has no `@object`. */
function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}
