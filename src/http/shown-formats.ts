/**
 * The formats of what answers show as it was stated and is stored. Their members are named in the OpenAPI document, so that a
 * client that is generated from it can read them; what is shown may have others beside them.
 */
import { z } from 'zod';
import { statedLimitFormat } from '../policy/schema/limits-format.js';
import { detailSchema } from '../tokens/claims.js';

/** Handlers may answer any object where such a format is: answers are written out as they are, and parsed by no format. */
type ShownObject = Record<string, unknown>;

export const shownDetailFormat = detailSchema
  .describe('An entry of the type `remit`, as in `authorization_details`')
  .meta({ id: 'Detail' }) as unknown as z.ZodType<ShownObject>;
export const shownLimitFormat = statedLimitFormat.meta({ id: 'Limit' }) as unknown as z.ZodType<ShownObject>;

/** The conditions of a consent: members of the context, and what they have to be. */
export const shownConditionsFormat = z.record(
  z.string(),
  z.union([z.boolean(), z.number(), z.string()]),
) as unknown as z.ZodType<ShownObject>;

const stated = { properties: z.record(z.string(), z.unknown()).nullish() };
export const submittedResourceFormat = z.looseObject({
  type: z.string(),
  id: z.string(),
  ...stated,
}) as unknown as z.ZodType<ShownObject>;
export const submittedActionFormat = z.looseObject({
  name: z.string(),
  ...stated,
}) as unknown as z.ZodType<ShownObject>;
