/** Step 5: where the action asks for consent, is there one? None can be given yet, so such an action is denied. */
import { deny, pass } from '../../model/outcome.js';
import { reason } from '../../model/reasons.js';
import type { JudgingStep } from '../step.js';

export const consentStep: JudgingStep = {
  step: 'consent',
  judge: ({ target: { action }, acting }) => {
    // Consent is what a person gives an agent: a person acting alone needs none.
    if (action.consent === undefined || acting.mode === 'human') return pass({ required: false });
    return deny(
      reason('consent', 'consent_required', `"${action.name}" needs ${action.consent} consent.`),
      { required: action.consent },
      [{ type: 'consent' }],
    );
  },
};
