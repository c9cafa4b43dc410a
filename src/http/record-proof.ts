/** The proof that a record is in the log, as routes answer it: made where there is one to make, and otherwise said why not. */
import type { FastifyReply } from 'fastify';
import type { InclusionProof } from '../audit/proof-file.js';
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

/** @param entry read before this is called, so that the log is as long as to have it @throws Fault */
export async function proveEntry(
  { key, proofs, store }: Pick<AuditLog, 'key' | 'proofs' | 'store'>,
  entry: LogEntry | undefined,
): Promise<InclusionProof | MissingProof> {
  if (key === undefined) return 'unsigned';
  const { size, checkpoint } = await store.readState();
  if (entry === undefined || checkpoint === undefined) return 'not_sequenced';
  const { index, leaf } = entry;
  return { index, leaf: Buffer.from(leaf), path: await proofs.proveInclusion(index, size), checkpoint };
}

/** Answers that there is no proof. */
export function sendMissingProof(reply: FastifyReply, missing: MissingProof): FastifyReply {
  return missing === 'unsigned'
    ? reply.code(404).send(LOG_UNSIGNED)
    : reply.code(409).header('retry-after', '1').send(NOT_SEQUENCED);
}
