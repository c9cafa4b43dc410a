/**
 * Erases a person: what is stored of them goes, and the records of what was done stay and no longer say whose they were.
 *
 * The order is that of what must not be left half done. Their tokens are revoked first, so that nothing new comes of them meanwhile.
 * The relationships come next: a delegation that was left in the graph alone would be one without bounds. The tables come in one
 * transaction with the record of the erasure and the end of the person's key. So the key is there until all else is gone, and what
 * a crash has left is found and finished by asking again; the log tells of an erasure only once it is done.
 */
import { v7 as uuid } from 'uuid';
import { MAX_UPDATES_PER_WRITE, type RelationshipFilter, type RelationshipGraph } from '../graph/port.js';
import { relationshipKey } from '../graph/relationship-text.js';
import { BadRequest, Fault } from '../model/faults.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Rules } from '../policy/load.js';
import type { CedarType, RecordMembers } from '../policy/schema/types.js';
import type { Vocabulary } from '../policy/schema/vocabulary.js';
import type { ConsentStore } from '../store/consents.js';
import type { Database } from '../store/database/port.js';
import type { DelegationStore } from '../store/delegations.js';
import type { EntityStore } from '../store/entities.js';
import { renameReferenceStatement, type PersonReference } from '../store/erased-references.js';
import { listJournalStatements, readJournalEnd } from '../store/journal-erasure.js';
import {
  awaitRecordWriters,
  eraseLeftovers,
  listErasureStatements,
  listFinalStatements,
  type ErasedPerson,
} from '../store/person-erasure.js';
import { newUnknownName } from '../store/person-keys.js';
import type { RecordValues } from '../store/record-values.js';
import type { RevocationStore } from '../store/revocations.js';

export interface PersonEraserDeps {
  readonly database: Database;
  readonly recordValues: Pick<RecordValues, 'people' | 'hold'>;
  readonly revocations: RevocationStore;
  readonly entities: Pick<EntityStore, 'whileWriting'>;
  readonly consents: Pick<ConsentStore, 'whileWriting'>;
  readonly delegationStore: Pick<DelegationStore, 'whileWriting'>;
  /** Returns the graph in force. */
  readonly graph: () => Pick<RelationshipGraph, 'read' | 'write'>;
  readonly rules: () => Pick<Rules, 'graph' | 'vocabulary'>;
  /** The time in seconds by which an issuer's clock may be ahead. */
  readonly clockLeeway: () => number;
  readonly now: () => Date;
}

/** Names the writer in the journal or SpiceDB's transaction: no person. */
const ERASER = 'remit';
/** Rounds of reading and deleting what the graph has of a person, of a thousand relationships each. */
const MAX_CLEARING_ROUNDS = 10_000;

export class PersonEraser {
  constructor(private readonly deps: PersonEraserDeps) {}

  /**
   * @param by the client that asks for it; undefined where the person does
   * @returns the id of its record
   * @throws BadRequest `on_hold` under a legal hold, and then nothing has changed; Fault, and then it is to be asked for again
   */
  async erase(ref: EntityRef, by: string | undefined): Promise<string> {
    const { database, recordValues, entities, consents, delegationStore, now } = this.deps;
    const { people, hold } = recordValues;
    if (hold.isOn(ref)) throw new BadRequest('A legal hold keeps what there is of this person.', '', 409, 'on_hold');
    await this.revokeTokens(ref, by);
    const person = await this.identify(ref);
    const journaled = await this.clearGraph(ref);
    await eraseLeftovers(database, person);
    const id = uuid();
    const statements = [
      ...listPersonReferences(this.deps.rules().vocabulary, ref.type).map((reference) =>
        renameReferenceStatement(reference, person),
      ),
      ...listErasureStatements(person),
      ...listJournalStatements(person, journaled),
      ...listFinalStatements(person, { id, at: now(), by }),
    ];
    await entities.whileWriting(() =>
      consents.whileWriting(() => delegationStore.whileWriting(() => database.run(statements))),
    );
    people.forget(ref);
    // What was decided meanwhile was recorded by the key that is gone now.
    await awaitRecordWriters(database);
    await eraseLeftovers(database, person);
    // What was under way when it began, an elevation or a delegation, may have written to the graph since.
    const last = await this.clearGraph(ref);
    await database.run(listJournalStatements(person, last));
    return id;
  }

  /** Revokes the tokens of a user that were issued until now, by the name that revocations have of them from now on. */
  private async revokeTokens(ref: EntityRef, by: string | undefined): Promise<void> {
    const { recordValues, revocations, rules, now, clockLeeway } = this.deps;
    if (ref.type !== rules().vocabulary.userObject) return;
    const user = recordValues.people.toRevokedName(ref.id);
    const revocation = {
      id: uuid(),
      user,
      // An issuer's clock may be ahead: a token issued just now may carry a slightly later time.
      issuedBefore: now().getTime() / 1000 + clockLeeway(),
      revokedAt: now().toISOString(),
      revokedBy: by ?? `user:${user}`,
    };
    await revocations.add(revocation, undefined, { user: ref, by: by ?? `user:${ref.id}` });
  }

  private async identify(ref: EntityRef): Promise<ErasedPerson> {
    const { people } = this.deps.recordValues;
    // A key that this process remembers may be another's by now.
    people.forget(ref);
    const name = (await people.find(ref))?.pseudonym ?? newUnknownName();
    const isUser = ref.type === this.deps.rules().vocabulary.userObject;
    return {
      ref,
      row: people.toRowName(ref),
      name,
      user: isUser ? { caller: `user:${ref.id}`, revokedName: people.toRevokedName(ref.id) } : undefined,
    };
  }

  /**
   * Deletes all relationships of a person, on both sides.
   * @returns the last write of the journal that was there before the graph had none
   */
  private async clearGraph(ref: EntityRef): Promise<number> {
    const { database, graph, rules } = this.deps;
    const filters: RelationshipFilter[] = [
      { resourceType: ref.type, resourceId: ref.id },
      ...rules()
        .graph.definitionNames()
        .map((resourceType) => ({ resourceType, subjectType: ref.type, subjectId: ref.id })),
    ];
    for (let round = 1; round <= MAX_CLEARING_ROUNDS; round += 1) {
      const journaled = await readJournalEnd(database);
      const lists = await Promise.all(filters.map((filter) => graph().read(filter, MAX_UPDATES_PER_WRITE, 'full')));
      // One of a person to themselves is on both sides.
      const named = [
        ...new Map(lists.flatMap(({ relationships }) => relationships).map((r) => [relationshipKey(r), r])).values(),
      ];
      if (named.length === 0) return journaled;
      for (let start = 0; start < named.length; start += MAX_UPDATES_PER_WRITE)
        await graph().write(
          named.slice(start, start + MAX_UPDATES_PER_WRITE).map(({ resource, relation, subject, wildcard }) => ({
            operation: 'delete' as const,
            relationship: { resource, relation, subject, wildcard },
          })),
          ERASER,
        );
    }
    throw new Fault('overloaded', `relationships of ${formatRef(ref)} that others keep writing`);
  }
}

/** Lists the attributes of all types that hold ids of such people. */
function listPersonReferences({ entityTypes, objectOf }: Vocabulary, type: string): PersonReference[] {
  const isReference = (declared: CedarType): boolean =>
    declared.kind === 'Set'
      ? isReference(declared.element)
      : declared.kind === 'Entity' && objectOf(declared.name) === type;
  const listPaths = (members: RecordMembers): string[][] =>
    Object.entries(members).flatMap(([name, { type: declared }]) => {
      if (declared.kind === 'Record') return listPaths(declared.members).map((path) => [name, ...path]);
      return isReference(declared) ? [[name]] : [];
    });
  return [...entityTypes.values()].flatMap(({ object, attributes }) =>
    listPaths(attributes).map((path) => ({ type: object, path })),
  );
}
