/** Checks of the relationship graph: the request, the freshness that it demands, and the answers. */
import type { FaultCode } from './faults.js';
import type { Check } from './relationships.js';

/**
 * The freshness of an answer: of now (`full`), or at least of the write that returned this ZedToken. A server configured
 * as `bounded` may answer `full` from what it has cached in the last half second.
 */
export type Consistency = 'full' | { readonly atLeast: string };

/** The freshness of an answer, or the one revision, as an answer named it before, that it is to be of. */
export type ReadConsistency = Consistency | { readonly exactly: string };

export interface CheckRequest extends Check {
  /** Whether a yes should come with the path of relationships that grants it. */
  readonly explain?: boolean | undefined;
  /** The values that caveats may ask for. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

export type CheckAnswer =
  | {
      readonly result: 'yes';
      readonly revision: string;
      readonly path?: readonly string[] | undefined;
      /** The instant at which the yes may end without a write, RFC 3339. */
      readonly until?: string | undefined;
    }
  | {
      readonly result: 'no';
      readonly revision: string;
      /** Whether something may have expired that was in the way: SpiceDB's cache may answer with a no of before. */
      readonly mayBeLate?: true | undefined;
    }
  /** A caveat lacks these members of the request's context. */
  | { readonly result: 'conditional'; readonly revision: string; readonly missing: readonly string[] }
  /** SpiceDB will never answer this check: the graph is too deep or cyclic, or the context has a wrong type. */
  | { readonly result: 'unanswerable'; readonly message: string }
  /** SpiceDB can't answer now. */
  | { readonly result: 'unknown'; readonly fault: FaultCode };
