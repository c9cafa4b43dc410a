/** Compares the schema of a SpiceDB server with the file's, and writes the file's: for a start and `remit migrate`. */
import { v1 } from '@authzed/authzed-node';
import { Fault } from '../../model/faults.js';
import type { GraphSchema } from '../schema/schema.js';
import { FULLY_CONSISTENT } from '../spicedb-api.js';
import { isInvalidRequest, readGrpcStatus, toSchemaError } from '../errors.js';

export interface ServerSchemaClient {
  diffSchema(request: v1.DiffSchemaRequest): Promise<v1.DiffSchemaResponse>;
  writeSchema(request: v1.WriteSchemaRequest): Promise<v1.WriteSchemaResponse>;
}

export interface ServerSchemaDifference {
  /** The change that makes the server like the file. */
  readonly change: 'add' | 'remove' | 'change';
  /** `relation document#viewer`. */
  readonly item: string;
  /** The item and where it is: `relation document#viewer (only in the file)`. */
  readonly text: string;
  /** Whether it is only on the server, and nothing in the file leads there: decisions by the file stay the same. */
  readonly harmless: boolean;
}

/**
 * The differences other than comments, by their texts (SpiceDB's order changes from call to call), and the revision,
 * as a ZedToken, of the server's schema.
 * @throws ConfigError where SpiceDB refuses the file's schema; Fault where it can't compare; what the client throws
 */
export async function compareServerSchema(
  client: ServerSchemaClient,
  schema: GraphSchema,
  consistency = FULLY_CONSISTENT,
): Promise<{ readonly differences: readonly ServerSchemaDifference[]; readonly readAt: string | undefined }> {
  const request = v1.DiffSchemaRequest.create({ consistency, comparisonSchema: schema.text });
  const { diffs, readAt } = await client.diffSchema(request).catch((error: unknown) => {
    const { code } = readGrpcStatus(error);
    if (code === 'UNIMPLEMENTED') throw new Fault('relationships_unavailable', 'SpiceDB is too old to compare schemas');
    throw isInvalidRequest(error) ? toSchemaError(error, schema.source) : error;
  });
  const differences = diffs.flatMap((diff) => toSchemaDifference(diff) ?? []);
  return { differences: differences.toSorted((a, b) => (a.text < b.text ? -1 : 1)), readAt: readAt?.token };
}

/** @throws ConfigError with SpiceDB's own message, such as which relation is in use; Fault */
export async function writeServerSchema(client: ServerSchemaClient, schema: GraphSchema): Promise<void> {
  await client.writeSchema(v1.WriteSchemaRequest.create({ schema: schema.text })).catch((error: unknown) => {
    throw toSchemaError(error, schema.source);
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
      const { parameter } = diff.caveatParameterTypeChanged;
      return createDifference('change', `parameter ${parameter === undefined ? '' : formatParameter(parameter)}`);
    }
    case 'definitionDocCommentChanged':
    case 'relationDocCommentChanged':
    case 'permissionDocCommentChanged':
    case 'caveatDocCommentChanged':
      return undefined;
    case undefined:
      return createDifference('change', 'something that this version of Remit does not know');
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
  const { typeref, optionalCaveatName: caveat } = type;
  let subject = type.subjectDefinitionName;
  if (typeref.oneofKind === 'isPublicWildcard') subject += ':*';
  if (typeref.oneofKind === 'optionalRelationName') subject += `#${typeref.optionalRelationName}`;
  return `${formatMember(relation)}: ${subject}${caveat === '' ? '' : ` with ${caveat}`}`;
}
