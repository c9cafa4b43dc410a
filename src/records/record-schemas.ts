/** The values that many members of a record have in common, as it is parsed. */
import { z } from 'zod';
import { FAULTS, type FaultCode } from '../model/faults.js';
import { instantFormat } from '../runtime/instant-format.js';

export const keysSchema = <T extends string>(table: Readonly<Record<T, unknown>>) =>
  z.enum(Object.keys(table) as [T, ...T[]]);
export const textsSchema = z.array(z.string());
export const propertiesSchema = z.record(z.string(), z.unknown());
export const refSchema = z.looseObject({ type: z.string(), id: z.string() });
export const instantSchema = instantFormat;
export const faultSchema = keysSchema<FaultCode>(FAULTS);
