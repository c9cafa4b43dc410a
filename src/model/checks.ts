/** Checks of the relationship graph: what is asked, how fresh the answer must be, and the answers there are. */
import type { FaultCode } from './faults.js';
import type { Check } from './relationships.js';

/**
 * How fresh an answer must be: at least of the write that gave this ZedToken, or of now. What a server is configured to
 * keep (`bounded`) counts as of now for half a second.
 */
export type Consistency = 'full' | { readonly atLeast: string };

export interface CheckRequest extends Check {
  /** Wants the relationships that grant, where the answer is yes. */
  readonly explain?: boolean | undefined;
  /** For caveats. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

export type CheckAnswer =
  | {
      readonly result: 'yes';
      readonly revision: string;
      readonly path?: readonly string[] | undefined;
      /** When it may end without a write, RFC 3339. */
      readonly until?: string | undefined;
    }
  | { readonly result: 'no'; readonly revision: string }
  /** A caveat lacks these members of the request's context. */
  | { readonly result: 'conditional'; readonly revision: string; readonly missing: readonly string[] }
  /** SpiceDB won't answer this question however often it is asked: too deep, a cycle, context of a wrong type. */
  | { readonly result: 'unanswerable'; readonly message: string }
  /** SpiceDB can't answer now. */
  | { readonly result: 'unknown'; readonly fault: FaultCode };
