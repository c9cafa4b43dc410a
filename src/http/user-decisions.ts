/**
 * The decisions that a person may see: those that were made for them, and what was done to a thing that they may audit. Whether
 * there are others, no answer tells: what isn't theirs is neither read nor counted.
 */
import { readDecisionId } from '../decide/decision-id.js';
import { selectHeld } from '../govern/permission-holders.js';
import { GraphSnapshot } from '../graph/snapshot.js';
import { getRecordedActing, type DecisionRecord, type SearchRecord } from '../model/decision.js';
import { describeRef, findIdProblem, parseDescribedRef, type EntityRef } from '../model/ids.js';
import type { Service } from '../service/service.js';
import type { DecisionFilter } from '../store/list-decisions.js';
import { userReference } from './grant-parties.js';
import { toAuditedDecision, toOwnDecision, type FindTitle, type UserDecision } from './user-decision-json.js';

type UserDecisionParts = Pick<Service, 'activePolicies' | 'decisions'>;

/**
 * Lists what was done for the user; of a resource that they may audit, what was done to it, for others as well.
 * @throws Fault; BadRequest where the key is none
 */
export async function listUserDecisions(
  service: UserDecisionParts,
  user: string,
  filter: DecisionFilter,
  after: string | undefined,
  size: number,
): Promise<{ readonly results: UserDecision[]; readonly next: string | undefined }> {
  const person = userReference(service, user);
  const self = describeRef(person);
  const { resource, task, session } = filter;
  // Tasks and sessions of others aren't shown, so they aren't to be guessed either.
  const mayBeAudited = task === undefined && session === undefined;
  const audited =
    resource !== undefined && mayBeAudited && (await mayAudit(service, person, parseDescribedRef(resource)))
      ? resource
      : undefined;
  if (audited === undefined && filter.user !== undefined && filter.user !== self)
    return { results: [], next: undefined };
  const selection = audited === undefined ? { ...filter, user: self, readsOwnOnly: true } : filter;
  const { records, next } = await service.decisions.list(selection, after, size);
  const findTitle = createTitleFinder(service);
  const results = records.flatMap((record) => {
    if (findUser(record) === self) return [toOwnDecision(record, undefined, findTitle)];
    return (audited === undefined ? undefined : toAuditedDecision(record, audited, findTitle)) ?? [];
  });
  return { results, next };
}

/** Finds what was done for the user, or to a resource that they may audit. @throws Fault */
export async function findUserDecision(
  service: UserDecisionParts,
  user: string,
  name: string,
): Promise<UserDecision | undefined> {
  const person = userReference(service, user);
  const id = readDecisionId(name);
  const stored = id === undefined ? undefined : await service.decisions.find(id);
  if (stored === undefined) return undefined;
  const record: DecisionRecord | SearchRecord = stored.record;
  const findTitle = createTitleFinder(service);
  switch (await judgeReading(service, person, record)) {
    case 'own':
      return toOwnDecision(record, stored.outcome, findTitle);
    case 'audited':
      return 'rationale' in record
        ? toAuditedDecision(record, describeRef(record.request.resource), findTitle)
        : undefined;
    case undefined:
      return undefined;
  }
}

/**
 * Judges whether a person may read a record: as what was done for them, or to a resource that they may audit. A list is about
 * many, so it is its user's alone.
 * @throws Fault
 */
export async function judgeReading(
  service: Pick<Service, 'activePolicies'>,
  person: EntityRef,
  record: DecisionRecord | SearchRecord,
): Promise<'own' | 'audited' | undefined> {
  if (isDoneFor(record, person)) return 'own';
  if (!('rationale' in record) || !(await mayAudit(service, person, record.request.resource))) return undefined;
  return 'audited';
}

/** Whether a decision or a list was made for the person. */
export function isDoneFor(record: DecisionRecord | SearchRecord, person: EntityRef): boolean {
  return findUser(record) === describeRef(person);
}

/** Whether the person now holds a permission that the thing's type names by `@audit`. @throws Fault */
async function mayAudit(
  { activePolicies }: Pick<Service, 'activePolicies'>,
  person: EntityRef,
  resource: EntityRef | undefined,
): Promise<boolean> {
  if (resource === undefined || findIdProblem(resource.id) !== undefined) return false;
  const { engine, rules } = activePolicies;
  const types = rules.vocabulary.typesByObject.get(resource.type) ?? [];
  const permissions = types.flatMap(({ audit }) => (audit === undefined ? [] : [{ permission: audit, resource }]));
  if (permissions.length === 0) return false;
  return (await selectHeld(new GraphSnapshot(engine, 'full'), rules, person, permissions)).length > 0;
}

/** The user that it was done for, as `type:id`. */
function findUser(record: DecisionRecord | SearchRecord): string | undefined {
  return getRecordedActing(record)?.user;
}

function createTitleFinder({ activePolicies }: Pick<Service, 'activePolicies'>): FindTitle {
  const { vocabulary } = activePolicies.rules;
  return (action, resourceType) => vocabulary.find(action, resourceType)?.action.title;
}
