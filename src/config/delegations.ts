/** `delegations` of the configuration: bounds of what clients may delegate in the name of users. */
import { z } from 'zod';
import { durationFormat } from './durations.js';

export const delegationsFormat = z.strictObject({ client_max: durationFormat.prefault('P30D') }).prefault({});

export interface DelegationsConfig {
  /** The longest time that a client may delegate for, in milliseconds. */
  readonly clientMaxMs: number;
}
