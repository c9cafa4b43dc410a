/** `/v1/decisions/{id}/receipt`: what may be seen of a decision, as a file that proves itself. */
import { z } from 'zod';
import { formatLeaf } from '../../audit/leaf.js';
import { buildReceipt, receiptFormat, type Receipt } from '../../audit/receipt.js';
import { readDecisionId } from '../../decide/decision-id.js';
import { Fault } from '../../model/faults.js';
import { formatCallerId, type AuthenticatedParty } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import type { LoggedDecision } from '../../store/logged-decision.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { requireParty } from '../edge/request-party.js';
import { userReference } from '../grant-parties.js';
import { listOpenValues, selectOpenParts, type ReceiptReader } from '../receipt-parts.js';
import { proveEntry, sendMissingProof, type MissingProof } from '../record-proof.js';
import type { TypedApp } from '../typed-app.js';
import { judgeReading } from '../user-decisions.js';

/** Receipts that are made at one time; each caller has a share of them. */
const MAX_RECEIPT_CALLS = 2;
const NO_DECISION = createProblem('not_found', 'There is no such decision.');

export function receiptRoutes(app: TypedApp, service: Service): void {
  const places = new CallPlaces(MAX_RECEIPT_CALLS, service.deadlineMs);
  app.get('/v1/decisions/:id/receipt', {
    schema: {
      tags: ['decisions'],
      summary:
        'A receipt of a decision, for who may read it: what they may see of it, and the proof that the log has it. It is verified offline by `remit audit check`, with the public key of the log alone',
      params: z.object({
        id: z.string().max(64).describe('The id of a decision or a list, or `<id>.<n>`: item n, from 0, of a batch'),
      }),
      response: { 200: receiptFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, ['evaluate', 'admin'], { users: true }),
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const id = readDecisionId(request.params.id);
      const receipt = await places.run(request, () =>
        id === undefined ? Promise.resolve(undefined) : makeReceipt(service, caller, id),
      );
      if (receipt === undefined) return reply.code(404).send(NO_DECISION);
      if (typeof receipt === 'string') return sendMissingProof(reply, receipt);
      return reply
        .header('content-disposition', `attachment; filename="${receipt.leaf.id}.receipt.json"`)
        .send(receipt);
    },
  });
}

/** @returns undefined where the caller may not read the decision, or there is none @throws Fault */
async function makeReceipt(
  service: Pick<Service, 'activePolicies' | 'auditLog' | 'decisions'>,
  caller: AuthenticatedParty,
  id: string,
): Promise<Receipt | MissingProof | undefined> {
  const stored = await service.decisions.findLogged(id);
  const reader = stored && (await judgeReader(service, caller, stored));
  if (stored === undefined || reader === undefined) return undefined;
  const { record, logged, entry, seed } = stored;
  const proof = await proveEntry(service.auditLog, entry);
  if (typeof proof === 'string') return proof;
  if (formatLeaf(logged) !== proof.leaf.toString())
    throw new Fault('log_damaged', `the record ${logged.id} is not what its leaf says`);
  const parts = selectOpenParts(record, logged, reader);
  return buildReceipt(logged, proof, { parts, values: listOpenValues(record, reader), seed });
}

async function judgeReader(
  service: Pick<Service, 'activePolicies'>,
  caller: AuthenticatedParty,
  { record }: LoggedDecision,
): Promise<ReceiptReader | undefined> {
  if (caller.kind === 'user') return judgeReading(service, userReference(service, caller.user), record);
  if (caller.kind === 'client' && caller.client.may.has('admin')) return 'admin';
  return record.client === formatCallerId(caller) ? 'client' : undefined;
}
