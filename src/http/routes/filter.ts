/** `/v1/filter`: takes records and answers the permitted ones, masked, so that no API can forget to mask. */
import { z } from 'zod';
import { yieldToEventLoop } from '../../runtime/yield.js';
import { bindListRetryKey, planListRetryKey } from '../../govern/limits/retry-key.js';
import { previewQuestions } from '../../lists/decide-list.js';
import { isLimitDenial } from '../../lists/preview.js';
import { createMask, MASKING_OBLIGATIONS } from '../../lists/mask.js';
import { GraphSnapshot } from '../../graph/snapshot.js';
import { BadRequest } from '../../model/faults.js';
import type { Charge } from '../../model/limits.js';
import type { OpenedReview, ReachedLimit } from '../../model/record-effects.js';
import { getSupportedObligations, omitNulls, type Caller } from '../../model/question.js';
import { identifyListRequester, PLACEHOLDER_ID, recordSearch } from '../../lists/record.js';
import type { Service } from '../../service/service.js';
import type { TypedApp } from '../typed-app.js';
import { actionFormat, contextFormat, idFormat, MAX_ITEMS, nameFormat, subjectFormat } from '../authzen-formats.js';
import { buildQuestion } from '../authzen-request.js';
import { checkPartLengths } from '../question-size.js';
import { readIdempotencyKey } from '../idempotency-key.js';
import { createRequestContext } from '../request-context.js';
import { authenticate } from '../edge/authentication.js';
import { LIST_TURNS } from '../edge/decision-turns.js';
import { nameDecision } from '../edge/observability.js';
import { inputErrors } from '../edge/errors.js';
import { MAX_FILTER_BODY_BYTES } from '../edge/unread-body.js';

/** The types that the record of a filter names. */
const MAX_RECORDED_TYPES = 16;

const recordProperties = z.record(z.string(), z.unknown());
const filterBody = z
  .object({
    subject: subjectFormat,
    action: actionFormat,
    records: z
      .array(z.object({ type: nameFormat, id: idFormat, properties: recordProperties.nullish() }))
      .max(MAX_ITEMS),
    context: contextFormat.nullish(),
  })
  .meta({ id: 'FilterRequest' });
const filterAnswerFormat = z
  .object({
    records: z
      .array(
        z.object({
          type: z.string(),
          id: z.string(),
          properties: recordProperties,
          obligations: z
            .array(z.looseObject({ id: z.string(), type: z.string() }))
            .optional()
            .describe('What the client still has to do; masking is done'),
        }),
      )
      .describe(
        'In the order of the request. A dry run of an action with limits answers them without their properties',
      ),
    removed: z.number().int().describe('How many records of the request are left out'),
    limit_exceeded: z.number().int().optional().describe('How many of those since a limit of the action was reached'),
  })
  .meta({ id: 'FilterResponse' });

export function filterRoutes(app: TypedApp, service: Service): void {
  app.post('/v1/filter', {
    schema: {
      tags: ['decisions'],
      summary: 'Which of these records may be seen, and how?',
      body: filterBody,
      response: { 200: filterAnswerFormat, ...inputErrors },
    },
    onRequest: authenticate(app, service, ['filter']),
    config: { turns: LIST_TURNS, repeatable: true, passesToken: true },
    bodyLimit: MAX_FILTER_BODY_BYTES,
    handler: async (request, reply) => {
      const { records, context: requestedContext, ...shared } = request.body;
      const requestContext = createRequestContext(request, service);
      const key = readIdempotencyKey(request);
      await checkRecordLengths({ ...shared, context: requestedContext }, records);
      const template = buildQuestion(
        {
          ...shared,
          context: withMaskingSupported(requestedContext, requestContext.caller),
          resource: { type: PLACEHOLDER_ID, id: PLACEHOLDER_ID },
        },
        requestContext,
      );
      const questions = records.map(({ type, id, properties }) => ({
        ...template,
        resource: { type, id, properties: omitNulls(properties ?? {}) },
      }));
      return service.activePolicies.withSnapshot(async (deps) => {
        const asker = await identifyListRequester(template, deps);
        const retry = key && (await planListRetryKey({ ...asker, records }, key.text, deps.now()));
        const graph = new GraphSnapshot(deps.relationships, template.consistency);
        const previews = await previewQuestions(questions, graph, deps, { retry });
        const mask = createMask(service.secret);
        const permitted: object[] = [];
        const places: number[] = [];
        const uses: (readonly Charge[])[] = [];
        const reviews: OpenedReview[] = [];
        const reachedLimits = new Map<string, ReachedLimit>();
        let exceeded = 0;
        for (const [i, record] of records.entries()) {
          const preview = previews[i];
          if (preview instanceof BadRequest) throw nameRecord(i, preview);
          for (const limit of preview?.limits ?? []) reachedLimits.set(limit.key, limit);
          if (preview?.allowed !== true) {
            if (preview?.denials.length === 1 && preview.denials.every(isLimitDenial)) exceeded += 1;
            continue;
          }
          uses.push(preview.charges);
          places.push(i);
          reviews.push(...preview.reviews);
          await yieldToEventLoop();
          const obligations = preview.obligations.filter(({ type }) => !MASKING_OBLIGATIONS.includes(type));
          // What is handed out of limited data is a use, and a dry run uses nothing: it answers which records, and no data.
          const isWithheld = template.dryRun && preview.charges.length > 0;
          const masked = {
            ...record,
            properties: isWithheld ? {} : mask(record.properties ?? {}, preview.obligations),
          };
          permitted.push(obligations.length === 0 ? masked : { ...masked, obligations });
        }
        const summary = {
          subject: { type: shared.subject.type, id: shared.subject.id },
          action: { name: shared.action.name },
          ...toRecordedTypes(records),
          records: records.length,
        };
        const effects = { reviews, reachedLimits: [...reachedLimits.values()] };
        const repeat = retry && bindListRetryKey(retry, places);
        const { id, reserved } = await recordSearch(
          'filter',
          summary,
          asker,
          permitted.length,
          graph,
          deps,
          uses,
          effects,
          repeat,
        );
        nameDecision(request, reply, id);
        const handedOut = permitted.filter((_record, i) => reserved[i] === true);
        exceeded += permitted.length - handedOut.length;
        return {
          records: handedOut,
          removed: records.length - handedOut.length,
          ...(exceeded === 0 ? {} : { limit_exceeded: exceeded }),
        };
      });
    },
  });
}

/** Lists the types of the records that were filtered, for the record: a request can name as many as it has records. */
function toRecordedTypes(records: readonly { readonly type: string }[]): Record<string, unknown> {
  const types = [...new Set(records.map(({ type }) => type))];
  const unnamed = types.length - MAX_RECORDED_TYPES;
  return { types: types.slice(0, MAX_RECORDED_TYPES), ...(unnamed > 0 ? { types_not_named: unnamed } : {}) };
}

/** Adds masking to what the client supports, since it is done here. */
function withMaskingSupported(
  requestedContext: z.infer<typeof contextFormat> | null | undefined,
  caller: Caller,
): z.infer<typeof contextFormat> {
  const supported = requestedContext?.supported_obligations ?? getSupportedObligations(caller);
  return { ...requestedContext, supported_obligations: [...new Set([...supported, ...MASKING_OBLIGATIONS])] };
}

/** Checks the parts of every question that the records make. @throws BadRequest naming the record */
async function checkRecordLengths(shared: object, records: readonly object[]): Promise<void> {
  checkPartLengths(shared);
  for (const [i, resource] of records.entries()) {
    await yieldToEventLoop();
    try {
      checkPartLengths({ resource });
    } catch (error) {
      throw nameRecord(i, error);
    }
  }
}

/** Names the record in the place of an error about a resource. */
function nameRecord(index: number, error: unknown): unknown {
  if (!(error instanceof BadRequest) || !error.at.startsWith('resource')) return error;
  return new BadRequest(error.message, error.at.replace('resource', `records[${index}]`), error.status, error.code);
}
