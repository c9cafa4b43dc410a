/** A delegation that other agents have passed on, as the graph shows it. */
import type { FaultCode } from './faults.js';
import type { EntityRef } from './ids.js';
import type { RevocationMatch } from './revocations.js';

/** What came of looking for a delegation that other agents passed on, where the user gave none directly. */
export type DelegationPathResult =
  | {
      readonly kind: 'path';
      /** Relationships, from the acting agent to the user. */
      readonly path: readonly string[];
      /** The agents of the path that the token doesn't state, newest first. */
      readonly through: readonly EntityRef[];
      /** A revocation that covers one of them. */
      readonly ended: RevocationMatch | undefined;
      /** When the path may end by itself, RFC 3339. */
      readonly ends: readonly string[];
    }
  | { readonly kind: 'none' | 'too_many' }
  | { readonly kind: 'fault'; readonly fault: FaultCode };
