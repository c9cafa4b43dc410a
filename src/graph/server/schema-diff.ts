/** The schema of a SpiceDB server against that of the file: what differs, and making them the same. */
import { v1 } from '@authzed/authzed-node';
import { Fault } from '../../model/faults.js';
import type { GraphSchema } from '../schema/schema.js';
import { FULLY_CONSISTENT } from '../spicedb-api.js';
import { readGrpcStatus, toSchemaError } from '../errors.js';

export interface ServerSchemaClient {
  diffSchema(request: v1.DiffSchemaRequest): Promise<v1.DiffSchemaResponse>;
  writeSchema(request: v1.WriteSchemaRequest): Promise<v1.WriteSchemaResponse>;
}

export interface ServerSchemaDifference {
  /** What making the server like the file does. */
  readonly change: 'add' | 'remove' | 'change';
  /** Of what. */
  readonly item: string;
  /** As a sentence. */
  readonly text: string;
  /** Only on the server, and nothing that is in the file leads there: what is decided by the file stays the same. */
  readonly harmless: boolean;
}

/** Comments left out. @throws ConfigError where SpiceDB doesn't take the file's schema; what the client throws */
export async function compareServerSchema(
  client: ServerSchemaClient,
  schema: GraphSchema,
  consistency = FULLY_CONSISTENT,
): Promise<{ readonly differences: readonly ServerSchemaDifference[]; readonly readAt: string | undefined }> {
  const request = v1.DiffSchemaRequest.create({ consistency, comparisonSchema: schema.text });
  const { diffs, readAt } = await client.diffSchema(request).catch((error: unknown) => {
    const { code } = readGrpcStatus(error);
    if (code === 'UNIMPLEMENTED') throw new Fault('relationships_unavailable', 'it is too old to compare schemas');
    throw code === 'INVALID_ARGUMENT' || code === 'FAILED_PRECONDITION'
      ? toSchemaError(error, schema.file)
      : toThrowable(error);
  });
  return { differences: diffs.flatMap((diff) => toSchemaDifference(diff) ?? []), readAt: readAt?.token };
}

/** @throws ConfigError with SpiceDB's own words, such as which relation is in use; Fault */
export async function writeServerSchema(client: ServerSchemaClient, schema: GraphSchema): Promise<void> {
  await client.writeSchema(v1.WriteSchemaRequest.create({ schema: schema.text })).catch((error: unknown) => {
    throw toSchemaError(error, schema.file);
  });
}

function toSchemaDifference({ diff }: v1.ReflectionSchemaDiff): ServerSchemaDifference | undefined {
  switch (diff.oneofKind) {
    case 'definitionAdded':
      return createDifference('add', `definition ${diff.definitionAdded.name}`);
    case 'definitionRemoved':
      return createHarmlessRemoval(`definition ${diff.definitionRemoved.name}`);
    case 'relationAdded':
      return createDifference('add', `relation ${formatMember(diff.relationAdded)}`);
    case 'relationRemoved':
      return createHarmlessRemoval(`relation ${formatMember(diff.relationRemoved)}`);
    case 'relationSubjectTypeAdded':
      return createDifference('add', `subjects of relation ${formatSubjectChange(diff.relationSubjectTypeAdded)}`);
    case 'relationSubjectTypeRemoved':
      return createDifference('remove', `subjects of relation ${formatSubjectChange(diff.relationSubjectTypeRemoved)}`);
    case 'permissionAdded':
      return createDifference('add', `permission ${formatMember(diff.permissionAdded)}`);
    case 'permissionRemoved':
      return createHarmlessRemoval(`permission ${formatMember(diff.permissionRemoved)}`);
    case 'permissionExprChanged':
      return createDifference('change', `permission ${formatMember(diff.permissionExprChanged)}`);
    case 'caveatAdded':
      return createDifference('add', `caveat ${diff.caveatAdded.name}`);
    case 'caveatRemoved':
      return createHarmlessRemoval(`caveat ${diff.caveatRemoved.name}`);
    case 'caveatExprChanged':
      return createDifference('change', `caveat ${diff.caveatExprChanged.name}`);
    case 'caveatParameterAdded':
      return createDifference('add', `parameter ${formatParameter(diff.caveatParameterAdded)}`);
    case 'caveatParameterRemoved':
      return createDifference('remove', `parameter ${formatParameter(diff.caveatParameterRemoved)}`);
    case 'caveatParameterTypeChanged': {
      const { parameter: changedParameter } = diff.caveatParameterTypeChanged;
      return createDifference(
        'change',
        `parameter ${changedParameter === undefined ? '' : formatParameter(changedParameter)}`,
      );
    }
    case 'definitionDocCommentChanged':
    case 'relationDocCommentChanged':
    case 'permissionDocCommentChanged':
    case 'caveatDocCommentChanged':
      return undefined;
    case undefined:
      return createDifference('change', 'something that this version has no word for');
  }
}

const CHANGE_TEXTS = { add: 'only in the file', remove: 'only on the server', change: 'differs' } as const;

function createDifference(change: ServerSchemaDifference['change'], item: string): ServerSchemaDifference {
  return { change, item, text: `${item} (${CHANGE_TEXTS[change]})`, harmless: false };
}

function createHarmlessRemoval(item: string): ServerSchemaDifference {
  return { ...createDifference('remove', item), harmless: true };
}

function formatMember({ parentDefinitionName, name }: { parentDefinitionName: string; name: string }): string {
  return `${parentDefinitionName}#${name}`;
}

function formatParameter({ parentCaveatName, name }: v1.ReflectionCaveatParameter): string {
  return `${name} of caveat ${parentCaveatName}`;
}

/** SpiceDB doesn't say whether the type is one with an expiration. */
function formatSubjectChange({ relation, changedSubjectType: type }: v1.ReflectionRelationSubjectTypeChange): string {
  if (relation === undefined || type === undefined) return '';
  const { typeref, subjectDefinitionName: name, optionalCaveatName: caveat } = type;
  const subjectText =
    typeref.oneofKind === 'isPublicWildcard'
      ? `${name}:*`
      : typeref.oneofKind === 'optionalRelationName'
        ? `${name}#${typeref.optionalRelationName}`
        : name;
  return `${formatMember(relation)}: ${subjectText}${caveat === '' ? '' : ` with ${caveat}`}`;
}

function toThrowable(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
