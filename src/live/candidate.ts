/** What there is to be taken: the rules' files at one moment, read and checked. */
import type { Finding } from '../rules/findings.js';
import type { RuleSources } from '../rules/load.js';
import type { Policy } from '../rules/policies.js';

/** Plain data: it comes out of a thread. */
export interface Candidate {
  /** Equal where names and texts of all files are, and what else was read with them. */
  readonly fingerprint: string;
  /** All that is wrong, and all that is dubious. */
  readonly findings: readonly Finding[];
  /** As decision records name it; undefined where the files can't be read. */
  readonly version: string | undefined;
  readonly fitting: Fitting | { readonly refused: string };
}

export interface Fitting {
  readonly sources: RuleSources;
  readonly policies: readonly Policy[];
}
