/** Decision records and the outcomes of decisions in the API's JSON. */
import { z } from 'zod';
import { amountFormat } from '../policy/schema/limits-format.js';
import { instantFormat } from '../runtime/instant-format.js';
import { ignoredFormat, obligationFormat, rationaleFormat, reasonFormat } from './answer-parts.js';

export const outcomeFormat = z
  .strictObject({
    outcome: z.enum(['executed', 'failed', 'abandoned']).describe('What the agent really did with the decision'),
    at: instantFormat.optional(),
    detail: z.string().max(2000).optional(),
    properties: z.record(z.string(), z.unknown()).optional(),
    actual: z
      .strictObject({
        count: z.int().min(0).optional(),
        amount: amountFormat.optional(),
      })
      .optional()
      .describe('What was really used of the limits, of "executed": at most what was reserved, which is the default'),
  })
  .refine(({ outcome, actual }) => actual === undefined || outcome === 'executed', {
    message: 'is for the outcome "executed": the others used nothing',
    path: ['actual'],
  })
  .meta({
    id: 'Outcome',
    example: { outcome: 'executed', actual: { count: 1, amount: { value: 1250, unit: 'EUR', decimals: 2 } } },
  });
const reportedOutcomeFormat = outcomeFormat.safeExtend({
  reported_at: z.string(),
  reported_by: z.string(),
  exceeds_reservation: z.literal(true).optional().describe('More was used than was reserved'),
});
const tokenRecordFormat = z.object({
  issuer: z.string(),
  jti: z.string().optional(),
  client_id: z.string().optional(),
  session: z.string().optional(),
  transaction: z.string().optional(),
});

export const listedItemFormat = z.union([
  z.object({ type: z.string(), id: z.string(), masked: z.int().optional() }),
  z.object({ resource_type: z.string(), name: z.string(), status: z.string() }),
  z.object({ name: z.string() }),
]);
export const masksFormat = z.array(
  z.object({
    mask: z.record(z.string(), z.unknown()).optional(),
    visible_fields: z.record(z.string(), z.unknown()).optional(),
  }),
);

const commitmentFormat = z
  .object({ $commit: z.string().describe('SHA-256 of the salt and the value’s canonical JSON, in base64') })
  .meta({ id: 'Commitment' })
  .describe('Stands in the place of a value that is not shown');
const recordedText = z.union([z.string(), commitmentFormat]);
const recordedReasonFormat = reasonFormat
  .extend({
    message: recordedText.optional().describe(reasonFormat.shape.message.description ?? ''),
    people: recordedText.optional().describe(reasonFormat.shape.people.description ?? ''),
    missing: z
      .union([reasonFormat.shape.missing.unwrap(), commitmentFormat])
      .optional()
      .describe(reasonFormat.shape.missing.description ?? ''),
    at: recordedText.optional().describe(reasonFormat.shape.at.description ?? ''),
  })
  .meta({ id: 'RecordedReason' });
/** An obligation as the log has it: the fields that are masked are shown, and a notification is not. */
const closedObligationFormat = z.object({
  id: z.string(),
  type: z.string(),
  properties: z.record(z.string(), z.union([z.array(z.string()), commitmentFormat])),
});
const recordedRationaleFormat = rationaleFormat
  .extend({
    ignored: ignoredFormat
      .extend({ members: z.union([ignoredFormat.shape.members, commitmentFormat]) })
      .meta({ id: 'RecordedIgnoredMembers' })
      .optional(),
  })
  .meta({ id: 'RecordedRationale' });

/** The record of a decision, or of a list, which has `search` and no reasons of its own. */
export const decisionRecordFormat = z
  .looseObject({
    id: z.uuid(),
    evaluated_at: z.string(),
    client: z.string().describe('The id of the client that asked, or `agent:…` for an agent that asked for itself'),
    decision: z.boolean().describe('Of a list: whether there was any result'),
    dry_run: z.boolean(),
    policy_version: z.string().describe('The version of the rules that decided: SHA-256 in hex'),
    request: z
      .looseObject({
        subject: z.looseObject({ type: z.string(), id: z.string().optional() }).optional(),
        action: z
          .union([z.string(), z.looseObject({ name: z.string() })])
          .optional()
          .describe('Of a decision: its name'),
        resource: z.looseObject({ type: z.string(), id: z.string().optional() }).optional(),
        request_id: recordedText.optional(),
        task: recordedText.optional(),
      })
      .describe('What was asked'),
    token: tokenRecordFormat.optional(),
    reasons: z.array(recordedReasonFormat).optional().describe('Of a decision'),
    obligations: z
      .array(z.union([obligationFormat, closedObligationFormat]))
      .optional()
      .describe('Of a decision'),
    rationale: recordedRationaleFormat.optional().describe('Of a decision'),
    approval: z
      .object({ id: z.string(), approved_until: z.string() })
      .optional()
      .describe('The approval that the allow has used'),
    reservation: z
      .object({ decision: z.string(), settles_at: z.string().optional() })
      .optional()
      .describe('The reservation of limits that the allow made, or an earlier one with its `Idempotency-Key`'),
    search: z.enum(['resource', 'subject', 'action', 'filter', 'capabilities']).optional().describe('Of a list'),
    acting: z
      .object({ user: z.string().optional(), agent: z.string().optional(), chain: z.array(z.string()) })
      .optional()
      .describe('Of a list: the parties'),
    found: z.int().optional().describe('Of a list: the number of results'),
    items: z
      .array(listedItemFormat)
      .optional()
      .describe('Of a list: what was returned, in order. `masked` is the place in `masks` of what was masked'),
    masks: masksFormat.optional().describe('Of a filter: the masks, each with the properties of its obligations'),
    left_out: z
      .record(z.string(), z.int())
      .optional()
      .describe('Of a list: how many were judged and left out, by the code of the first reason of each'),
    revision: z.string().optional().describe('Of a list: the ZedToken of the revision that all of it was answered at'),
    outcome: reportedOutcomeFormat.optional(),
    values_hidden: z
      .literal(true)
      .optional()
      .describe('It is shown as the log has it: people have pseudonyms, and values are commitments'),
    values_erased: z
      .literal(true)
      .optional()
      .describe('The values were erased, or are no longer kept: people have pseudonyms, and values are commitments'),
    redacted: z.literal(true).optional().describe('What the decision rests on is left out: only an admin is shown it'),
  })
  .meta({ id: 'DecisionRecord' });
