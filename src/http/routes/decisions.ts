/** `/v1/decisions` and below: decision records with their reasons, and the outcomes that clients report. */
import { z } from 'zod';
import { getRecordedActing, type DecisionRecord, type SearchRecord } from '../../model/decision.js';
import { BadRequest } from '../../model/faults.js';
import { describeRef, parseDescribedRef } from '../../model/ids.js';
import { formatQuantityNumber } from '../../model/quantities.js';
import { REASONS } from '../../model/reasons.js';
import { formatCallerId, type AuthenticatedParty, type Caller } from '../../model/question.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import type { KeptQuantities, OutcomeResult } from '../../store/decisions.js';
import type { ReportedOutcome } from '../../store/stored-decision.js';
import { measureStoredBytes } from '../../store/stored-bytes.js';
import { authenticate } from '../edge/authentication.js';
import { CallPlaces } from '../edge/call-places.js';
import { requireCaller, requireParty } from '../edge/request-party.js';
import { findClientDecision, findVisibleDecision, listClientDecisions } from '../client-decisions.js';
import { decisionPathFormat, findDecisionPath } from '../decision-path.js';
import { decisionRecordFormat, outcomeFormat } from '../decision-record-json.js';
import { userDecisionFormat } from '../user-decision-json.js';
import { findUserDecision, listUserDecisions } from '../user-decisions.js';
import { nextPageFormat, PageTokens } from '../page-token.js';
import { utcInstantFormat } from '../../runtime/instant-format.js';
import { createProblem, inputErrors, problemFormat } from '../edge/errors.js';
import { queryNumber } from '../query-number.js';
import { requireReadValues, valuesFlagFormat } from '../values-permission.js';

/** Records with their facts may be long. */
const MAX_RECORDS = 200;
const DEFAULT_RECORDS = 50;
/** Pages that are read at one time; one caller reads one. */
const MAX_LISTINGS = 2;
/** Single records that are read, or get an outcome, at one time; one caller alone has half of them. */
const MAX_RECORD_CALLS = 4;
/** The longest outcome, as it is sent and as the database writes it. */
const MAX_OUTCOME_BYTES = 16 * 1024;

/** The longest text of a query, in characters: an id may be as long. */
const MAX_QUERY_TEXT_LENGTH = 1024;
const keyFormat = z.string().min(1).max(MAX_QUERY_TEXT_LENGTH);
const referenceFormat = z
  .string()
  .max(MAX_QUERY_TEXT_LENGTH + 128)
  .refine((text) => parseDescribedRef(text) !== undefined, 'must be `type:id`');
const decisionsQuery = z.strictObject({
  user: referenceFormat.optional().describe('The user that it was asked for, as `type:id`'),
  agent: referenceFormat.optional().describe('The agent that acted, as `type:id`'),
  resource: referenceFormat.optional().describe('The resource, as `type:id`'),
  action: keyFormat.optional(),
  decision: z.enum(['true', 'false']).optional(),
  reason: z.enum(Object.keys(REASONS)).optional().describe('The first reason of a deny'),
  task: keyFormat.optional().describe('The `task` of the request’s context'),
  session: keyFormat.optional().describe('The session of the token'),
  since: utcInstantFormat.optional().describe('Made then or later'),
  until: utcInstantFormat.optional().describe('Made before then'),
  limit: queryNumber(1, MAX_RECORDS, DEFAULT_RECORDS),
  page_token: z.string().max(4096).optional().describe('`next_token` of the page before'),
  values: valuesFlagFormat,
});
const recordQuery = z.strictObject({ values: valuesFlagFormat });
const decisionParams = z.object({
  id: z.string().max(64).describe('The id of a decision or a list, or `<id>.<n>`: item n, from 0, of a batch'),
});
/** A user's has none of the members that a client's must have. */
const shownDecisionFormat = z.union([decisionRecordFormat, userDecisionFormat]);
const decisionListFormat = z
  .object({ page: nextPageFormat, results: z.array(shownDecisionFormat) })
  .meta({ id: 'DecisionList' });
const NOT_FOUND = createProblem('not_found', 'There is no such decision.');

export function decisionRoutes(app: TypedApp, service: Service): void {
  const onRequest = authenticate(app, service, ['evaluate', 'admin'], { users: true });
  // An admin sees all decisions, and knows no better than who asked what was done: its word releases nothing of others.
  const onReport = authenticate(app, service, ['evaluate', 'filter', 'search'], { agents: true });
  const pageTokens = new PageTokens(service.secret);
  const listings = new CallPlaces(MAX_LISTINGS, service.deadlineMs);
  // Places of their own, so that no caller's pages keep out what it reports.
  const recordCalls = new CallPlaces(MAX_RECORD_CALLS, service.deadlineMs);

  app.get('/v1/decisions', {
    schema: {
      tags: ['decisions'],
      summary:
        'Decision records, the newest first: the client’s own, or all for an admin; for a user what was done for them, or to a resource that they may audit. A page may be short and lead on',
      querystring: decisionsQuery,
      response: { 200: decisionListFormat, ...inputErrors },
    },
    onRequest,
    config: { compresses: true },
    handler: async (request) => {
      const caller = requireParty(request);
      const { limit: size, page_token: token, decision, values, ...selected } = request.query;
      const withValues = readsValues(caller, values);
      const filters = { ...selected, ...(decision === undefined ? {} : { decision: decision === 'true' }) };
      const query = { list: 'decisions', caller: formatCallerId(caller), ...filters };
      const after = pageTokens.decode({ token }, query, 'page_token');
      const list = (): ReturnType<typeof listClientDecisions> =>
        caller.kind === 'user'
          ? listUserDecisions(service, caller.user, filters, after, size)
          : listClientDecisions(service, caller, filters, { after, size, withValues });
      const { results, next } = await listings.run(request, list, { rests: true });
      return { page: pageTokens.encode(next, query), results };
    },
  });

  app.get('/v1/decisions/:id', {
    schema: {
      tags: ['decisions'],
      summary:
        'A decision record: one of the client’s own, or any for an admin; for a user of what was done for them, or to a resource that they may audit',
      params: decisionParams,
      querystring: recordQuery,
      response: { 200: shownDecisionFormat, ...inputErrors, 404: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const { params, query } = request;
      const withValues = readsValues(caller, query.values);
      const shown = await recordCalls.run(request, (): Promise<object | undefined> =>
        caller.kind === 'user'
          ? findUserDecision(service, caller.user, params.id)
          : findClientDecision(service, caller, params.id, withValues),
      );
      return shown === undefined ? reply.code(404).send(NOT_FOUND) : reply.send(shown);
    },
  });

  app.post('/v1/decisions/:id/path', {
    schema: {
      tags: ['decisions'],
      summary:
        'The relationships that grant the permission of a decision, for who may read it: as they are on record, or else proved now at the revision of the decision, while SpiceDB keeps that. The proof is a record of its own, and is made once',
      params: decisionParams,
      querystring: recordQuery,
      response: { 200: decisionPathFormat, ...inputErrors, 404: problemFormat, 409: problemFormat },
    },
    onRequest,
    handler: async (request, reply) => {
      const caller = requireParty(request);
      const { params, query } = request;
      const withValues = readsValues(caller, query.values);
      const path = await recordCalls.run(request, () => findDecisionPath(service, caller, params.id, withValues));
      return path === undefined ? reply.code(404).send(NOT_FOUND) : reply.send(path);
    },
  });

  app.post('/v1/decisions/:id/outcome', {
    schema: {
      tags: ['decisions'],
      summary:
        'Report what was really done: this commits what the decision reserved of limits, or releases it. Once, by the client that asked, or by the agent about its own question; repeating the same is fine. At most 16 KiB',
      params: decisionParams,
      body: outcomeFormat,
      response: { 201: outcomeFormat, ...inputErrors, 404: problemFormat, 409: problemFormat, 413: problemFormat },
    },
    onRequest: onReport,
    bodyLimit: MAX_OUTCOME_BYTES,
    handler: async (request, reply) => {
      const caller = requireCaller(request);
      const { params, body } = request;
      // Few digits may stand for hundreds: 1e308.
      if (measureStoredBytes(JSON.stringify(body)) > MAX_OUTCOME_BYTES)
        throw new BadRequest(`must be at most ${MAX_OUTCOME_BYTES} bytes long with its numbers written out`);
      const result = await recordCalls.run(request, () => reportOutcome(service, params.id, caller, body));
      switch (result) {
        case 'reported':
          return reply.code(201).send(body);
        case 'not_found':
          return reply.code(404).send(NOT_FOUND);
        case 'other':
          return reply.code(409).send(createProblem('already_reported', 'Another outcome was reported before.'));
        case 'settled':
          return reply
            .code(409)
            .send(createProblem('settled', 'No outcome was reported in time, so what was reserved counts as used.'));
        case 'exceeds':
          return reply
            .code(409)
            .send(
              createProblem(
                'exceeds_reservation',
                'More was used than was reserved: this is on record, and all that was reserved counts as used.',
                'actual',
              ),
            );
        case 'other_unit':
          throw new BadRequest('is another unit than the limit has', 'actual.amount.unit');
      }
    },
  });
}

/** Whether the caller asks for values and may read them. A user's own records have theirs in any case. @throws BadRequest */
function readsValues(caller: AuthenticatedParty, flag: 'true' | 'false' | undefined): boolean {
  if (flag !== 'true' || caller.kind !== 'client') return false;
  requireReadValues(caller.client);
  return true;
}

async function reportOutcome(
  { decisions, now, activePolicies }: Pick<Service, 'decisions' | 'now' | 'activePolicies'>,
  id: string,
  caller: Caller,
  outcome: ReportedOutcome,
): Promise<OutcomeResult | 'not_found' | 'settled'> {
  const stored = await findVisibleDecision(decisions, id, caller);
  if (
    stored?.record.client !== formatCallerId(caller) ||
    !isOfUser(stored.record, caller, activePolicies.rules.vocabulary.userObject)
  )
    return 'not_found';
  const { record } = stored;
  const { decision = record.id, settles_at: settlesAt } = record.reservation ?? {};
  const isSettled = settlesAt !== undefined && now().getTime() >= Date.parse(settlesAt);
  if (stored.outcome === undefined && isSettled) return 'settled';
  // An agent's word is on record and never gives anything back.
  const kept = caller.kind === 'agent' ? {} : listKept(outcome);
  // Where the values are gone the record names a pseudonym.
  const { user } = 'values_erased' in record ? {} : (getRecordedActing(record) ?? {});
  const person = user === undefined ? undefined : parseDescribedRef(user);
  const scope = { at: now(), people: person === undefined ? [] : [person] };
  return decisions.reportOutcome(decision, formatCallerId(caller), outcome, kept, scope);
}

/** Whether the decision was for the user of the agent's token: an agent's own question is that of both. */
function isOfUser(record: DecisionRecord | SearchRecord, caller: Caller, type: string | undefined): boolean {
  if (caller.kind === 'client') return true;
  const acting = getRecordedActing(record);
  const user = caller.user === undefined ? undefined : describeRef({ type: type ?? '', id: caller.user });
  return acting !== undefined && acting.user === user;
}

/** The quantities that stay used; null where the outcome releases all that was reserved. */
function listKept({ outcome, actual }: ReportedOutcome): KeptQuantities | null {
  if (outcome !== 'executed') return null;
  const { count, amount } = actual ?? {};
  return {
    ...(count === undefined ? {} : { '': count }),
    ...(amount === undefined
      ? {}
      : { [amount.unit]: formatQuantityNumber({ value: BigInt(amount.value), decimals: amount.decimals }) }),
  };
}
