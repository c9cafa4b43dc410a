/** The schema of an authorization detail as records have it. */
import { z } from 'zod';
import { propertiesSchema, textsSchema } from './record-schemas.js';

const recordedResourcesSchema = z.looseObject({ type: z.string(), permission: z.string() });
export const authorizationDetailSchema = z.looseObject({
  type: z.string(),
  actions: textsSchema.optional(),
  locations: textsSchema.optional(),
  datatypes: textsSchema.optional(),
  privileges: textsSchema.optional(),
  identifier: z.string().optional(),
  resources: z.union([recordedResourcesSchema, z.array(z.union([z.string(), recordedResourcesSchema]))]).optional(),
  constraints: propertiesSchema.optional(),
  purpose: z.string().optional(),
  access: z.enum(['online', 'background']).optional(),
});
