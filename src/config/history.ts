/** `history` of the configuration: how far policies may look back. */
import { z } from 'zod';
import { boundedDurationFormat } from './durations.js';

export const historyFormat = z
  .strictObject({
    longest: boundedDurationFormat('PT1S', 'P31D')
      .prefault('PT24H')
      .describe('The longest window of a question about the past: events are kept as long as a window reads them'),
  })
  .prefault({});
