/** `reviews` of the configuration: the time within which people look at what was allowed. */
import { z } from 'zod';
import { durationFormat } from './durations.js';

export const reviewsFormat = z.strictObject({ due: durationFormat.prefault('PT72H') }).prefault({});
