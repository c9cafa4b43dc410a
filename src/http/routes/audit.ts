/** `/v1/audit/…`: the log of records. Its head is public; each proof goes to who may read the record, the log to an admin. */
import { z } from 'zod';
import { formatProofFile } from '../../audit/proof-file.js';
import { formatNoteKey } from '../../audit/signed-note.js';
import { readDecisionId } from '../../decide/decision-id.js';
import { BadRequest } from '../../model/faults.js';
import type { Service } from '../../service/service.js';
import { LogPages, MAX_PAGE_LEAVES } from '../../store/log-pages.js';
import { RetentionStore } from '../../store/retention-store.js';
import { decisionRecordFormat } from '../decision-record-json.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { requireClient } from '../edge/request-party.js';
import { MAX_QUERY_NUMBER, queryNumber, requiredQueryNumber } from '../query-number.js';
import { proveEntry, sendMissingProof } from '../record-proof.js';
import type { TypedApp } from '../typed-app.js';
import { requireReadValues, valuesFlagFormat } from '../values-permission.js';
import { isUuid } from '../../model/ids.js';

/** Reads of the log at one time; each caller has a share of them, as of other reads. */
const MAX_LOG_READS = 2;
const PLAIN_TEXT = 'text/plain; charset=utf-8';

const logConsistencyFormat = z
  .object({ from: z.int(), to: z.int(), proof: z.array(z.string()).describe('Hashes in base64, by RFC 6962') })
  .meta({ id: 'LogConsistency' });
const loggedRecordFormat = z.object({
  id: z.string(),
  kind: z.string(),
  at: z.string(),
  about: z.string().optional(),
  seed: z.string().describe('What the salts of its parts are derived from, in hex'),
  keys: z.record(z.string(), z.unknown()),
  record: z.record(z.string(), z.unknown()),
});
const logEntriesFormat = z
  .object({
    entries: z.array(
      z.object({
        index: z.int(),
        id: z.string(),
        leaf: z.string().describe('The bytes of the leaf: canonical JSON'),
        hash: z.string().optional().describe('What the tree has at this place, in base64'),
        record: loggedRecordFormat.nullable().optional().describe('With `records=true`; null where it is gone'),
        values: decisionRecordFormat
          .nullable()
          .optional()
          .describe('With `values=true`: the decision or the list with people and values; null where there are none'),
      }),
    ),
  })
  .meta({ id: 'LogEntries' });
const unsequencedFormat = z
  .object({
    waiting: z.array(z.string()).describe('Records that wait for their place'),
    unlogged: z.array(z.string()).describe('Records that are not in the log and don’t wait'),
    lost: z.array(z.string()).describe('Records that waited, and are gone'),
    next: z.string().optional().describe('`after` of the next page'),
  })
  .meta({ id: 'UnsequencedRecords' });

const retentionsFormat = z
  .object({
    retentions: z.array(
      z.object({
        id: z.string().describe('The record that it is'),
        note: z.string().describe('What it says, signed by the keys of the log (c2sp.org/signed-note)'),
        held: z
          .string()
          .optional()
          .describe(
            'The places in the log that a legal hold on people keeps nevertheless, whose hash the note has: `3,7-9`',
          ),
      }),
    ),
  })
  .meta({ id: 'Retentions' });

const NO_RECORD = createProblem('not_found', 'There is no such record.');

export function auditRoutes(app: TypedApp, service: Service): void {
  const { auditLog } = service;
  const reads = new CallPlaces(MAX_LOG_READS, service.deadlineMs);
  const textErrors = { 404: problemFormat, 409: problemFormat, 429: problemFormat, 503: problemFormat };

  app.get('/v1/audit/key', {
    schema: {
      tags: ['audit'],
      summary: 'The public key of the log, as a line `origin+hash+key` (c2sp.org/signed-note). Without a credential',
      response: { 200: z.string(), 404: problemFormat, 429: problemFormat },
    },
    handler: (_request, reply) =>
      auditLog.key === undefined
        ? sendMissingProof(reply, 'unsigned')
        : reply
            .type(PLAIN_TEXT)
            .serializer(String)
            .send(`${formatNoteKey(auditLog.key)}\n`),
  });

  app.get('/v1/audit/checkpoint', {
    schema: {
      tags: ['audit'],
      summary: 'The size and the root of the log, signed (c2sp.org/tlog-checkpoint). Without a credential',
      response: { 200: z.string(), ...textErrors },
    },
    handler: async (request, reply) => {
      if (auditLog.key === undefined) return sendMissingProof(reply, 'unsigned');
      const { checkpoint } = await reads.run(request, () => auditLog.store.readState());
      if (checkpoint === undefined) return sendMissingProof(reply, 'not_sequenced');
      return reply.type(PLAIN_TEXT).header('cache-control', 'no-store').serializer(String).send(checkpoint);
    },
  });

  app.get('/v1/audit/consistency', {
    schema: {
      tags: ['audit'],
      summary: 'Proves that the log of one size is the beginning of that of another (RFC 6962). Without a credential',
      querystring: z.strictObject({ from: requiredQueryNumber(), to: requiredQueryNumber() }),
      response: { 200: logConsistencyFormat, 400: problemFormat, 429: problemFormat, 503: problemFormat },
    },
    handler: async (request) => {
      const { from, to } = request.query;
      if (from > to) throw new BadRequest('must be at most `to`', 'from');
      const proof = await reads.run(request, async () => {
        const { size } = await auditLog.store.readState();
        if (to > size) throw new BadRequest(`must be at most the size of the log, which is ${size}`, 'to');
        return auditLog.proofs.proveConsistency(from, to);
      });
      return { from, to, proof: proof.map((hash) => hash.toString('base64')) };
    },
  });

  proofRoute(app, service, reads);
  logRoutes(app, service, reads);
}

function proofRoute(app: TypedApp, service: Service, reads: CallPlaces): void {
  const { auditLog } = service;
  app.get('/v1/audit/proof/:id', {
    schema: {
      tags: ['audit'],
      summary:
        'Proves that a record is in the log (c2sp.org/tlog-proof, with its leaf as the extra line): one of the client’s own, or any for an admin',
      params: z.object({
        id: z.string().max(64).describe('The id of a record, or `<id>.<n>`: item n, from 0, of a batch'),
      }),
      response: { 200: z.string(), ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest: authenticate(app, service, ['evaluate', 'admin']),
    handler: async (request, reply) => {
      const client = requireClient(request);
      const id = readDecisionId(request.params.id);
      const answer = await reads.run(request, async () => {
        const place = id === undefined ? undefined : await auditLog.store.locate(id);
        if (place === undefined || (place.client !== client.id && !client.may.has('admin'))) return 'not_found';
        return proveEntry(auditLog, place.entry);
      });
      if (answer === 'not_found') return reply.code(404).send(NO_RECORD);
      if (typeof answer === 'string') return sendMissingProof(reply, answer);
      return reply.type(PLAIN_TEXT).serializer(String).send(formatProofFile(answer));
    },
  });
}

function logRoutes(app: TypedApp, service: Service, reads: CallPlaces): void {
  const { auditLog } = service;
  const pages = new LogPages(service.database);
  const onRequest = authenticate(app, service, ['admin']);
  app.get('/v1/audit/entries', {
    schema: {
      tags: ['audit'],
      summary: 'The leaves of the log from an index on, with their records where asked for. A page may be short',
      querystring: z.strictObject({
        from: queryNumber(0, MAX_QUERY_NUMBER, 0),
        from_id: z
          .string()
          .refine(isUuid, 'must be the id of a record')
          .optional()
          .describe('Instead of `from`: the first record'),
        limit: queryNumber(1, MAX_PAGE_LEAVES, MAX_PAGE_LEAVES),
        records: z.enum(['true', 'false']).default('false'),
        values: valuesFlagFormat,
      }),
      response: { 200: logEntriesFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    config: { compresses: true },
    handler: async (request, reply) => {
      const { from, from_id: id, limit, records, values } = request.query;
      const withValues = values === 'true';
      if (withValues) requireReadValues(requireClient(request));
      const place = id === undefined ? undefined : await reads.run(request, () => auditLog.store.locate(id));
      if (id !== undefined && place === undefined) return reply.code(404).send(NO_RECORD);
      if (place !== undefined && place.entry === undefined) return sendMissingProof(reply, 'not_sequenced');
      const first = place?.entry?.index ?? from;
      const read = async () => {
        const leaves = await pages.readLeaves(first, limit, records === 'true');
        const ids = withValues ? leaves.map((leaf) => leaf.id) : [];
        return { leaves, opened: await service.decisions.openKept(ids) };
      };
      const { leaves, opened } = await reads.run(request, read, { rests: true });
      return {
        entries: leaves.map(({ record, ...leaf }) => ({
          ...leaf,
          ...(records === 'true' ? { record: record ?? null } : {}),
          ...(withValues ? { values: opened.get(leaf.id) ?? null } : {}),
        })),
      };
    },
  });

  const retentionStore = new RetentionStore(service.database);
  app.get('/v1/audit/retention', {
    schema: {
      tags: ['audit'],
      summary:
        'What the retention has said that it prunes (`records.keep`), the newest first: only so are records missing',
      response: { 200: retentionsFormat, ...inputErrors },
    },
    onRequest,
    handler: async (request) => {
      const { retentions } = await reads.run(request, () => retentionStore.readState());
      // What waits for its place in the log has pruned nothing.
      return {
        retentions: retentions.flatMap(({ id, note, index, held }) =>
          index === undefined ? [] : [{ id, note, ...(held === undefined ? {} : { held }) }],
        ),
      };
    },
  });

  app.get('/v1/audit/unsequenced', {
    schema: {
      tags: ['audit'],
      summary: 'Records without a place in the log: those that wait for one, and those that came round it',
      querystring: z.strictObject({
        after: z.string().refine(isUuid, 'must be the `next` of the page before').optional(),
      }),
      response: { 200: unsequencedFormat, ...inputErrors },
    },
    onRequest,
    handler: async (request) => {
      const page = await reads.run(request, () => pages.listUnsequenced(request.query.after ?? ''), { rests: true });
      return { ...page, waiting: [...page.waiting], unlogged: [...page.unlogged], lost: [...page.lost] };
    },
  });
}
