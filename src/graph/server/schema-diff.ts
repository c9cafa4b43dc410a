/** The schema of a SpiceDB server against that of the file: what differs, and making them the same. */
import { v1 } from '@authzed/authzed-node';
import { Fault } from '../../model/faults.js';
import type { Graph } from '../schema/schema.js';
import { NOW } from '../spicedb-api.js';
import { refusalOf, schemaProblem } from '../errors.js';

export interface SchemaClient {
  diffSchema(request: v1.DiffSchemaRequest): Promise<v1.DiffSchemaResponse>;
  writeSchema(request: v1.WriteSchemaRequest): Promise<v1.WriteSchemaResponse>;
}

export interface Difference {
  /** What making the server like the file does. */
  readonly change: 'add' | 'remove' | 'change';
  /** Of what. */
  readonly what: string;
  /** As a sentence. */
  readonly text: string;
  /** Only on the server, and nothing that is in the file leads there: what is decided by the file stays the same. */
  readonly aside: boolean;
}

/** Comments left out. @throws ConfigError where SpiceDB doesn't take the file's schema; what the client throws */
export async function differences(
  client: SchemaClient,
  graph: Graph,
  consistency = NOW,
): Promise<{ readonly found: readonly Difference[]; readonly readAt: string | undefined }> {
  const request = v1.DiffSchemaRequest.create({ consistency, comparisonSchema: graph.text });
  const { diffs, readAt } = await client.diffSchema(request).catch((error: unknown) => {
    const { code } = refusalOf(error);
    if (code === 'UNIMPLEMENTED') throw new Fault('relationships_unavailable', 'it is too old to compare schemas');
    throw code === 'INVALID_ARGUMENT' || code === 'FAILED_PRECONDITION'
      ? schemaProblem(error, graph.file)
      : asIs(error);
  });
  return { found: diffs.flatMap((diff) => read(diff) ?? []), readAt: readAt?.token };
}

/** @throws ConfigError with SpiceDB's own words, such as which relation is in use; Fault */
export async function applySchema(client: SchemaClient, graph: Graph): Promise<void> {
  await client.writeSchema(v1.WriteSchemaRequest.create({ schema: graph.text })).catch((error: unknown) => {
    throw schemaProblem(error, graph.file);
  });
}

function read({ diff }: v1.ReflectionSchemaDiff): Difference | undefined {
  switch (diff.oneofKind) {
    case 'definitionAdded':
      return difference('add', `definition ${diff.definitionAdded.name}`);
    case 'definitionRemoved':
      return aside(`definition ${diff.definitionRemoved.name}`);
    case 'relationAdded':
      return difference('add', `relation ${member(diff.relationAdded)}`);
    case 'relationRemoved':
      return aside(`relation ${member(diff.relationRemoved)}`);
    case 'relationSubjectTypeAdded':
      return difference('add', `subjects of relation ${subjects(diff.relationSubjectTypeAdded)}`);
    case 'relationSubjectTypeRemoved':
      return difference('remove', `subjects of relation ${subjects(diff.relationSubjectTypeRemoved)}`);
    case 'permissionAdded':
      return difference('add', `permission ${member(diff.permissionAdded)}`);
    case 'permissionRemoved':
      return aside(`permission ${member(diff.permissionRemoved)}`);
    case 'permissionExprChanged':
      return difference('change', `permission ${member(diff.permissionExprChanged)}`);
    case 'caveatAdded':
      return difference('add', `caveat ${diff.caveatAdded.name}`);
    case 'caveatRemoved':
      return aside(`caveat ${diff.caveatRemoved.name}`);
    case 'caveatExprChanged':
      return difference('change', `caveat ${diff.caveatExprChanged.name}`);
    case 'caveatParameterAdded':
      return difference('add', `parameter ${parameter(diff.caveatParameterAdded)}`);
    case 'caveatParameterRemoved':
      return difference('remove', `parameter ${parameter(diff.caveatParameterRemoved)}`);
    case 'caveatParameterTypeChanged': {
      const { parameter: changed } = diff.caveatParameterTypeChanged;
      return difference('change', `parameter ${changed === undefined ? '' : parameter(changed)}`);
    }
    case 'definitionDocCommentChanged':
    case 'relationDocCommentChanged':
    case 'permissionDocCommentChanged':
    case 'caveatDocCommentChanged':
      return undefined;
    case undefined:
      return difference('change', 'something that this version has no word for');
  }
}

const WHERE = { add: 'only in the file', remove: 'only on the server', change: 'differs' } as const;

function difference(change: Difference['change'], what: string): Difference {
  return { change, what, text: `${what} (${WHERE[change]})`, aside: false };
}

function aside(what: string): Difference {
  return { ...difference('remove', what), aside: true };
}

function member({ parentDefinitionName, name }: { parentDefinitionName: string; name: string }): string {
  return `${parentDefinitionName}#${name}`;
}

function parameter({ parentCaveatName, name }: v1.ReflectionCaveatParameter): string {
  return `${name} of caveat ${parentCaveatName}`;
}

/** SpiceDB doesn't say whether the type is one with an expiration. */
function subjects({ relation, changedSubjectType: type }: v1.ReflectionRelationSubjectTypeChange): string {
  if (relation === undefined || type === undefined) return '';
  const { typeref, subjectDefinitionName: name, optionalCaveatName: caveat } = type;
  const of =
    typeref.oneofKind === 'isPublicWildcard'
      ? `${name}:*`
      : typeref.oneofKind === 'optionalRelationName'
        ? `${name}#${typeref.optionalRelationName}`
        : name;
  return `${member(relation)}: ${of}${caveat === '' ? '' : ` with ${caveat}`}`;
}

function asIs(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
