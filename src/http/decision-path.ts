/**
 * The path of relationships of one decision: as it is on record, as it was proved before, or proved now at the decision's own revision.
 * Where that can't be, the answer says why: another revision would tell of another graph.
 */
import { z } from 'zod';
import { readDecisionId } from '../decide/decision-id.js';
import type { CheckAnswer } from '../model/checks.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { parseDescribedParties } from '../model/acting.js';
import { BadRequest, Fault, FAULTS } from '../model/faults.js';
import { formatCallerId, type AuthenticatedParty } from '../model/question.js';
import { planPathCheck } from '../records/path-check.js';
import type { Service } from '../service/service.js';
import type { StoredPathProof } from '../store/path-proofs.js';
import { findClientDecision, findVisibleDecision } from './client-decisions.js';
import { userReference } from './grant-parties.js';
import { isDoneFor } from './user-decisions.js';

export const decisionPathFormat = z
  .object({
    decision: z.uuid(),
    permission: z.string(),
    revision: z.string().describe('The ZedToken of the revision that the decision was made at, and the path proved'),
    path: z.array(z.string()).describe('The relationships that grant the permission, from the resource to the subject'),
    record: z.uuid().optional().describe('The record of the proof; absent where the decision’s own has the path'),
    proved_at: z.string().optional(),
  })
  .meta({
    id: 'DecisionPath',
    example: {
      decision: '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60',
      permission: 'read',
      revision: 'GhUKEzE3Njc5MTg0NTAwMDAwMDAwMDA=',
      path: ['document:plan#owner@user:ann'],
      record: '2c1f4e0a-8f0b-4f57-9a55-0f2b7c7d1e11',
      proved_at: '2030-03-04T10:00:07.000Z',
    },
  });
export type DecisionPath = z.infer<typeof decisionPathFormat>;

type PathParts = Pick<Service, 'activePolicies' | 'decisions' | 'pathProofs' | 'now'>;

/**
 * @param withValues whether a client reads people by their ids; a user's own path names them in any case
 * @returns undefined where the caller may not read the decision, or there is none
 * @throws BadRequest where there is no path, or none that can be proved; Fault
 */
export async function findDecisionPath(
  service: PathParts,
  caller: AuthenticatedParty,
  name: string,
  withValues: boolean,
): Promise<DecisionPath | undefined> {
  const record = await findReadable(service, caller, name);
  if (record === undefined) return undefined;
  if ('search' in record) throw new BadRequest('A list has no path: ask about one item.', '', 409, 'no_path');
  const isOpen = withValues || caller.kind === 'user';
  const recorded = readRecordedPath(record);
  const shown =
    recorded === undefined || isOpen
      ? recorded
      : readRecordedPath(await findClientDecision(service, caller, name, false));
  if (shown !== undefined) return { decision: record.id, ...shown };
  const stored = await service.pathProofs.find(record.id, isOpen);
  if (stored !== undefined) return toPath(record.id, stored);
  await provePath(service, caller, record);
  const proved = await service.pathProofs.find(record.id, isOpen);
  if (proved === undefined) throw new TypeError('the path that was just recorded is not there');
  return toPath(record.id, proved);
}

/** Finds a record by the rights of its reader. What people may only audit shows them no path. */
async function findReadable(
  service: PathParts,
  caller: AuthenticatedParty,
  name: string,
): Promise<DecisionRecord | SearchRecord | undefined> {
  if (caller.kind !== 'user') return (await findVisibleDecision(service.decisions, name, caller))?.record;
  const id = readDecisionId(name);
  const record = id === undefined ? undefined : (await service.decisions.find(id))?.record;
  return record !== undefined && isDoneFor(record, userReference(service, caller.user)) ? record : undefined;
}

async function provePath(service: PathParts, caller: AuthenticatedParty, record: DecisionRecord): Promise<void> {
  if ('values_erased' in record)
    throw new BadRequest(
      'The values of the record are gone, so it says no longer what to prove.',
      '',
      409,
      'values_erased',
    );
  const { engine, rules } = service.activePolicies;
  const plan = planPathCheck(record, rules);
  if (plan === undefined) throw new BadRequest('No relationships grant the permission.', '', 409, 'no_path');
  const [answer] = await engine.check([plan.check], { exactly: plan.revision });
  const { permission } = plan.check;
  const proof = { permission, revision: plan.revision, path: readProvedPath(answer), policy_version: rules.version };
  const { user, agent } = parseDescribedParties(record.rationale.acting);
  await service.pathProofs.add(record.id, proof, { at: service.now(), by: formatCallerId(caller), user, agent });
}

/** @throws BadRequest where the revision is gone or shows no path; Fault where SpiceDB can't answer now */
function readProvedPath(answer: CheckAnswer | undefined): readonly string[] {
  switch (answer?.result) {
    case 'yes':
      if (answer.path !== undefined && answer.path.length > 0) return answer.path;
      throw unproved(
        'SpiceDB grants the permission, and does not say over which relationships: a caveat or a subtraction may decide.',
      );
    case 'unknown':
      if (answer.fault !== 'revision_expired') throw new Fault(answer.fault);
      throw new BadRequest(FAULTS.revision_expired, '', 409, 'revision_expired');
    case 'unanswerable':
      throw unproved(answer.message);
    case 'conditional':
      throw unproved(`A caveat decides, and the record has no context for it: ${answer.missing.join(', ')}.`);
    default:
      throw unproved('By the schema in force nothing grants it at that revision, or a relationship has expired since.');
  }
}

function unproved(message: string): BadRequest {
  return new BadRequest(message, '', 409, 'path_unproved');
}

/** The path that a record has by itself, as the reader sees the record. */
function readRecordedPath(
  record: object | undefined,
): Pick<DecisionPath, 'permission' | 'revision' | 'path'> | undefined {
  if (record === undefined || !('rationale' in record)) return undefined;
  const { steps } = (record as Pick<DecisionRecord, 'rationale'>).rationale;
  const { permission, revision, path } = steps.find(({ step }) => step === 'relationship')?.evidence ?? {};
  if (!Array.isArray(path)) return undefined;
  return { permission: String(permission), revision: String(revision), path: path.map(String) };
}

function toPath(decision: string, { id, provedAt, proof }: StoredPathProof): DecisionPath {
  const { permission, revision, path } = proof;
  return { decision, permission, revision, path: [...path], record: id, proved_at: provedAt.toISOString() };
}
