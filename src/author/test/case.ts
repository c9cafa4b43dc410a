/** The cases of tests: one question each, with the world in which it is asked and the outcome that is expected. */
import type { ApproverRules } from '../../govern/approvals/eligibility.js';
import type { HistoryValue } from '../../model/history.js';
import type { EntityRef } from '../../model/ids.js';
import type { Properties } from '../../model/question.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { LoadedWorld } from '../../config/world.js';
import type { EntityChange, TokenSpec, UseSpec, ConsentSpec, DelegationSpec, ApprovalSpec } from './format.js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';

/** The subject of a question: an agent with a token, or a person or an agent that the client vouches for. */
export interface Requester {
  /** The name in the test file. */
  readonly label: string;
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly token?: TokenSpec | undefined;
  /** The agent that the client vouches for where there is no token. */
  readonly agent?: string | undefined;
  /** Whether the client asserts attributes of the subject, which needs a permission. */
  readonly asserts: boolean;
}

/** Changes that a test makes to its file's world. */
export interface WorldChanges {
  readonly with: readonly string[];
  readonly without: readonly string[];
  readonly entities: readonly EntityChange[];
  /** The uses that limits have had. */
  readonly used: readonly UseSpec[];
  /** The answers about the past, by the members of `context.history`. */
  readonly history: Readonly<Record<string, HistoryValue>>;
  readonly delegations: readonly DelegationSpec[];
  readonly consents: readonly ConsentSpec[];
}

/** The world and the clock of a case. Cases of one scene are decided together. */
export interface Scene {
  readonly world: LoadedWorld;
  readonly changes: WorldChanges;
  readonly now: Date;
  /** The configuration says who may approve. */
  readonly approverRules: ApproverRules;
}

export interface ExpectedOutcome {
  /** The place of the expectation; that of the test where no expectation names the combination. */
  readonly place: SourceLocation;
  readonly decision: 'allow' | 'deny';
  readonly reasons?: readonly ReasonCode[] | undefined;
  readonly policies?: readonly string[] | undefined;
  readonly duties?: readonly string[] | undefined;
  readonly obligations?: Readonly<Record<string, Properties>> | undefined;
  readonly path?: readonly string[] | undefined;
  readonly remedies?: readonly string[] | undefined;
}

export interface TestCase {
  readonly test: string;
  readonly requester: Requester;
  readonly action: { readonly label: string; readonly name: string; readonly properties: Properties };
  readonly resource: EntityRef & { readonly label: string; readonly properties: Properties };
  readonly context: Properties;
  readonly supportedObligations: readonly string[] | undefined;
  /** The answers of people where the question asks for approval. */
  readonly approvals: readonly ApprovalSpec[];
  readonly scene: Scene;
  readonly expected: ExpectedOutcome;
}

/** The cases of one test file, in its order. */
export interface TestSuite {
  readonly file: string;
  readonly cases: readonly TestCase[];
}

/** `assistant delete employee:erin`. */
export function combinationText({ requester, action, resource }: TestCase): string {
  return `${requester.label} ${action.label} ${resource.label}`;
}
