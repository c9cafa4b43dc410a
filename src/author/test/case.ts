/** A case: one combination of who, action and resource, what is known when it is asked, and what must come of it. */
import type { EntityRef } from '../../model/ids.js';
import type { Properties } from '../../model/question.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { LoadedWorld } from '../../config/world.js';
import type { EntityChange, TokenSpec } from './format.js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';

/** Somebody who asks: on a token, or as a person for whom the client vouches. */
export interface Requester {
  /** As the file calls them. */
  readonly label: string;
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly token?: TokenSpec | undefined;
  /** Without a token: an agent that the client vouches for. */
  readonly agent?: string | undefined;
  /** The client asserts attributes of the subject, which it must be flagged for. */
  readonly asserts: boolean;
}

/** What a test changes of its file's world. */
export interface WorldChanges {
  readonly with: readonly string[];
  readonly without: readonly string[];
  readonly entities: readonly EntityChange[];
}

/** What there is when a case is asked. Cases of one scene are decided together. */
export interface Scene {
  readonly world: LoadedWorld;
  readonly changes: WorldChanges;
  readonly now: Date;
}

export interface ExpectedOutcome {
  /** Of the expectation; of the test, where none speaks of the combination. */
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
  readonly scene: Scene;
  readonly expected: ExpectedOutcome;
}

/** The cases of one file, in its order. */
export interface TestSuite {
  readonly file: string;
  readonly cases: readonly TestCase[];
}

/** `assistant delete employee:erin`. */
export function combinationText({ requester: who, action, resource }: TestCase): string {
  return `${who.label} ${action.label} ${resource.label}`;
}
