/** What there is to be taken: the rules' files at one moment, read and checked. */
import type { Finding } from '../../diagnostics/diagnostics.js';
import type { RuleSources } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';

/** Plain data: it comes out of a thread. */
export interface PolicyCandidate {
  /** Equal where names and texts of all files are, and what else was read with them. */
  readonly fingerprint: string;
  /** All that is wrong, and all that is dubious. */
  readonly findings: readonly Finding[];
  /** As decision records name it; undefined where the files can't be read. */
  readonly version: string | undefined;
  readonly content: CheckedPolicies | { readonly refused: string };
}

/** In the place of files over which the thread that reads them fails. Nothing that is read has its fingerprint. */
export function createUnreadCandidate(cause: string): PolicyCandidate {
  const refused = `the thread that reads them has failed: ${cause}`;
  return { fingerprint: '', findings: [], version: undefined, content: { refused } };
}

export interface CheckedPolicies {
  readonly sources: RuleSources;
  readonly policies: readonly Policy[];
}
