/** A candidate for the policies in force: the files at one moment, read and checked by the reader thread. */
import type { Finding } from '../../diagnostics/diagnostics.js';
import type { RuleSources } from '../../policy/load.js';
import type { Policy } from '../../policy/policies.js';

/** A test suite by its name and the SHA-256 of its text. */
export interface SuiteFile {
  readonly name: string;
  readonly sha256: string;
}

/** Plain data, since it is passed between threads. */
export interface PolicyCandidate {
  /** Equal for equal names and texts of all files that were read. */
  readonly fingerprint: string;
  /** When their reading began, in nanoseconds of the host's monotonic clock: the order of what was read. */
  readonly readAt: bigint;
  /** All errors and warnings. */
  readonly findings: readonly Finding[];
  /** `policy_version` of decision records; undefined where the files can't be read. */
  readonly version: string | undefined;
  /** The names of the policies and of the YAML files beside them; undefined where they could not be listed. */
  readonly files: readonly string[] | undefined;
  /** The test suites that belong to the policies, whether or not they were run. */
  readonly suites: readonly SuiteFile[];
  readonly content: CheckedPolicies | { readonly refused: string };
}

/** The candidate for files that the reader thread failed to read. Its fingerprint is that of no files. */
export function createUnreadCandidate(cause: string): PolicyCandidate {
  const refused = `the thread that reads them has failed: ${cause}`;
  return {
    fingerprint: '',
    readAt: process.hrtime.bigint(),
    findings: [],
    version: undefined,
    files: undefined,
    suites: [],
    content: { refused },
  };
}

export interface CheckedPolicies {
  readonly sources: RuleSources;
  readonly policies: readonly Policy[];
}
