/** The proof that a record is in the log, as routes answer it: made where there is one to make, and otherwise said why not. */
import type { FastifyReply } from 'fastify';
import type { InclusionProof } from '../audit/proof-file.js';
import { computeInclusionRoot, hashLeaf } from '../audit/tree.js';
import { Fault } from '../model/faults.js';
import type { AuditLog } from '../service/open-log.js';
import type { LogEntry } from '../store/log-store.js';
import { createProblem } from './edge/errors.js';

/** `unsigned`: no key signs the log; `not_sequenced`: the record waits for its place. */
export type MissingProof = 'unsigned' | 'not_sequenced';

const LOG_UNSIGNED = createProblem(
  'log_unsigned',
  'The log is not signed: audit.key_file of the configuration names no key.',
);
const NOT_SEQUENCED = createProblem('not_sequenced', 'The record waits for its place in the log; see Retry-After.');

/**
 * @param entry read before this is called, so that the log is as long as to have it
 * @throws Fault, also where the proof wouldn't be one: who keeps it would find that out too late
 */
export async function proveEntry(
  { key, proofs, store }: Pick<AuditLog, 'key' | 'proofs' | 'store'>,
  entry: LogEntry | undefined,
): Promise<InclusionProof | MissingProof> {
  if (key === undefined) return 'unsigned';
  const { size, root, checkpoint } = await store.readState();
  if (entry === undefined || checkpoint === undefined) return 'not_sequenced';
  const { index, leaf } = entry;
  if (index >= size || !checkpoint.startsWith(`${key.name}\n${size}\n${root.toString('base64')}\n\n`))
    throw new Fault('log_damaged', `the checkpoint is not that of the log with record ${index}`);
  const path = await proofs.proveInclusion(index, size);
  if (computeInclusionRoot(hashLeaf(leaf), { index, size }, path)?.equals(root) !== true)
    throw new Fault('log_damaged', `the leaf and the hashes of record ${index} do not give the root that is signed`);
  return { index, leaf: Buffer.from(leaf), path, checkpoint };
}

/** Answers that there is no proof. */
export function sendMissingProof(reply: FastifyReply, missing: MissingProof): FastifyReply {
  return missing === 'unsigned'
    ? reply.code(404).send(LOG_UNSIGNED)
    : reply.code(409).header('retry-after', '1').send(NOT_SEQUENCED);
}
