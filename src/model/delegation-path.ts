/** A delegation that other agents have passed on, as the graph has it. */
import type { FaultCode } from './faults.js';
import type { EntityRef } from './ids.js';
import type { RevocationMatch } from './revocations.js';

/** The result of searching for a delegation that other agents passed on, where the user gave none directly. */
export type DelegationPathResult =
  | {
      readonly kind: 'path';
      /** The relationships from the acting agent to the user. */
      readonly path: readonly string[];
      /** The agents of the path that the token doesn't state, newest first. */
      readonly through: readonly EntityRef[];
      /** A revocation that covers one of these agents. */
      readonly ended: RevocationMatch | undefined;
      /** The instants at which a relationship of the path ends without a write, RFC 3339. */
      readonly ends: readonly string[];
    }
  | { readonly kind: 'none' | 'too_many' }
  | { readonly kind: 'fault'; readonly fault: FaultCode };
