/** The formats of what answers are made of: obligations, reasons, remedies and the rationale, for the OpenAPI document. */
import { z } from 'zod';
import { MASK_MODES } from '../policy/duty-fields.js';
import { REASONS, STEP_NAMES, type ReasonCode } from '../model/reasons.js';

const REASON_CODES = Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]];

export const reasonTextFormat = z
  .record(z.string(), z.string())
  .describe('A sentence by the status that stands for the answer, such as "403"');

const quantityFormat = z
  .union([
    z.number(),
    z.string(),
    z.object({ value: z.union([z.number(), z.string()]), unit: z.string(), decimals: z.int() }),
  ])
  .describe('A number of uses, or an amount: `value` in units of 10 to the power of minus `decimals`');

export const obligationFormat = z
  .discriminatedUnion('type', [
    z.object({
      id: z.string(),
      type: z.literal('mask'),
      properties: z.object({
        fields: z
          .array(z.string())
          .describe('Paths such as `address.street`; through a list a path means every element'),
        modes: z
          .record(z.string(), z.enum(MASK_MODES))
          .optional()
          .describe('The fields that are hidden in another way than by leaving them out'),
      }),
    }),
    z.object({
      id: z.string(),
      type: z.literal('visible_fields'),
      properties: z.object({ fields: z.array(z.string()).describe('No other fields may be shown') }),
    }),
    z.object({
      id: z.string(),
      type: z.literal('notification'),
      properties: z.object({ to: z.array(z.string()), topic: z.string(), body: z.string() }),
    }),
  ])
  .meta({ id: 'Obligation' });

/** A client is told all of it; an agent reads its code, and what is marked so. */
export const reasonFormat = z
  .object({
    code: z.enum(REASON_CODES),
    step: z.enum(STEP_NAMES).optional(),
    message: z.string().optional().describe('For clients and operators'),
    people: z.string().optional().describe('The sentence for people, where the catalogue’s doesn’t fit'),
    policies: z.array(z.string()).optional().describe('The ids of the policies that it rests on'),
    missing: z
      .array(
        z.looseObject({
          entity: z.object({ type: z.string(), id: z.string() }).optional(),
          path: z.string().describe('`address.street` of the entity, or `context.action.branch`'),
          unfit: z.literal(true).optional().describe('It is there, and has another type than the schema declares'),
        }),
      )
      .optional()
      .describe('`attribute_missing`: the values that are required and aren’t there'),
    required: quantityFormat.optional().describe('`limit_exceeded`: what the question uses'),
    delegation: z.string().optional().describe('`limit_exceeded`: the delegation whose limit it is'),
    consent: z.string().optional().describe('`limit_exceeded`: the consent whose limit it is'),
    remaining: quantityFormat.optional().describe('`limit_exceeded`: what is left'),
    resets_at: z.string().optional().describe('`limit_exceeded`: when there is more; agents are told as well'),
    unstated: z
      .literal(true)
      .optional()
      .describe(
        '`authorization_details_mismatch`: a detail would cover the question if it stated what the message names',
      ),
    not_before: z.string().optional().describe('From when what the reason misses holds'),
    at: z
      .string()
      .optional()
      .describe('`approval_out_of_scope`: where the question differs from the approved one; agents are told as well'),
  })
  .meta({ id: 'Reason' });

export const remedyFormat = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('consent') }),
    z.object({ type: z.literal('approval'), permission: z.string() }),
    z.object({ type: z.literal('step_up'), acr: z.string() }),
    z.object({
      type: z.literal('scope'),
      scope: z.string().describe('All that are missing, separated by spaces'),
      challenge: z.string().describe('What the `WWW-Authenticate` of the API should say to the agent'),
    }),
    z.object({
      type: z.literal('token'),
      challenge: z.string().describe('What the `WWW-Authenticate` of the API should say to the agent'),
    }),
    z.object({
      type: z.literal('time'),
      not_before: z.string().describe('When a token or a consent begins to hold'),
    }),
    z.object({
      type: z.literal('limit'),
      required: quantityFormat.optional().describe('For clients'),
      remaining: quantityFormat.optional().describe('For clients'),
      resets_at: z.string().describe('When there is more'),
    }),
    z.object({
      type: z.literal('delegation'),
      delegate_url: z.string().optional().describe('The page at which the user delegates, where there is one'),
    }),
  ])
  .meta({ id: 'Remedy' });

export const ignoredFormat = z
  .object({
    count: z.int(),
    members: z.array(
      z.object({
        path: z.string(),
        cause: z
          .enum(['undeclared', 'not_asserted'])
          .describe('No schema has it; or only a client with asserts_attributes can state it'),
        suggestion: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'IgnoredMembers' })
  .describe('What the question states and nothing can read: all are counted, and the first are named');

export const rationaleFormat = z
  .object({
    acting: z
      .object({
        mode: z.enum(['delegated', 'direct', 'human']),
        user: z.string().optional(),
        agent: z.string().optional(),
        chain: z.array(z.string()).describe('Earlier agents, the newest first'),
      })
      .optional(),
    steps: z.array(
      z.object({
        step: z.enum(STEP_NAMES),
        outcome: z.enum(['pass', 'deny', 'unknown']),
        evidence: z.record(z.string(), z.unknown()).describe('What the step rests on'),
      }),
    ),
    ignored: ignoredFormat.optional(),
  })
  .meta({ id: 'Rationale' });
