/** A candidate for the policies in force: the files at one moment, read and checked by the reader thread. */
import type { Finding } from '../../diagnostics/diagnostics.js';
import type { RuleSources } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';

/** Plain data, since it is passed between threads. */
export interface PolicyCandidate {
  /** Equal for equal names and texts of all files that were read. */
  readonly fingerprint: string;
  /** All errors and warnings. */
  readonly findings: readonly Finding[];
  /** `policy_version` of decision records; undefined where the files can't be read. */
  readonly version: string | undefined;
  readonly content: CheckedPolicies | { readonly refused: string };
}

/** The candidate for files that the reader thread failed to read. Its fingerprint is that of no files. */
export function createUnreadCandidate(cause: string): PolicyCandidate {
  const refused = `the thread that reads them has failed: ${cause}`;
  return { fingerprint: '', findings: [], version: undefined, content: { refused } };
}

export interface CheckedPolicies {
  readonly sources: RuleSources;
  readonly policies: readonly Policy[];
}
