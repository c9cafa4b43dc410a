/** The part of a record that is about approvals: those that would lift a deny, and what was read of the one that was presented. */
import { z } from 'zod';
import { TASK_STATES } from '../model/approvals.js';
import { authorizationDetailSchema } from './detail-schema.js';
import { refSchema, instantSchema, faultSchema } from './record-schemas.js';

const approvalStepSchema = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('permission'), permission: z.string() }),
  z.looseObject({ kind: z.literal('user') }),
  z.looseObject({
    kind: z.literal('elevation'),
    permission: z.string(),
    relation: z.string(),
    seconds: z.int().min(1),
  }),
]);
const bindingSchema = z.record(z.string(), z.string());
const approvalSchema = z.looseObject({
  id: z.string(),
  state: z.enum(TASK_STATES),
  binding: bindingSchema,
  steps: z.array(approvalStepSchema),
  answers: z.array(z.looseObject({ step: z.int().min(0), by: refSchema, at: instantSchema })),
  emergency: z.string().optional(),
  details: z.array(authorizationDetailSchema).optional(),
  scope: z.enum(['once', 'until']),
  approved_until: instantSchema.optional(),
  used_by: z.string().optional(),
  granted: z.boolean(),
});
export const approvalReadingSchema = z.union([
  z.looseObject({ id: z.string(), fault: faultSchema }),
  z.looseObject({
    id: z.string(),
    approval: approvalSchema.optional(),
    difference: z.string().optional(),
    ineligible: z.array(z.looseObject({ step: z.int().min(0), by: refSchema, why: z.string() })),
  }),
]);
export const refusalSchema = z.union([
  z.looseObject({ at: instantSchema }),
  z.looseObject({ fault: faultSchema }),
  z.looseObject({ too_long: z.literal(true) }),
]);
export const accessRequestSchema = z.looseObject({
  steps: z.array(approvalStepSchema).min(1),
  binding: bindingSchema,
  question_sha256: z.string().optional(),
  emergency: z.string().optional(),
  expires_at: instantSchema,
});
