/** Step 8: is the decision durably recorded? What isn't on record isn't allowed. */
import { pass, unknown } from '../../model/outcome.js';
import type { ClosingStep } from '../step.js';

export const recordStep: ClosingStep = {
  step: 'record',
  judge: (stored) => ('fault' in stored ? unknown(stored.fault) : pass({ id: stored.id })),
};
