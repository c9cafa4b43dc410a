/** What the Cedar schema declares: entity types, actions, and what each asks of the graph and of the token. */
import type { RecordMembers } from './types.js';
import type { EntityUid } from './uid.js';

/** A type of thing: a Cedar entity type and the SpiceDB definition it stands for. */
export interface EntityType {
  readonly name: string;
  /** SpiceDB definition; what requests, tokens and world files call it. */
  readonly object: string;
  readonly attributes: RecordMembers;
  /** Entity types that may be ancestors, over any number of steps. */
  readonly ancestors: ReadonlySet<string>;
  /** Of all attributes and what is within them, through lists too: `address`, `address.street`. */
  readonly paths: ReadonlySet<string>;
  /** Values of `@class` and the attribute paths that carry each. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
}

export interface Action {
  /** What AuthZEN's `action.name` says. */
  readonly name: string;
  readonly uid: EntityUid;
  /** Groups it is in, over any number of steps. */
  readonly groups: readonly EntityUid[];
  /** In the imperative: "Update an employee's record". */
  readonly title: string;
  readonly scope: string | undefined;
  /** Covers it where nobody is there: on a token for background use. */
  readonly backgroundScope: string | undefined;
  readonly consent: 'standing' | 'each' | undefined;
  readonly permission: string;
  readonly agentPermission: string | undefined;
  readonly resourceTypes: readonly EntityType[];
  readonly principalTypes: readonly EntityType[];
  /** What policies may read of the context; the engine fills these and nothing else. */
  readonly context: RecordMembers;
  /** Members of `context.can` and `context.agent_can`: permissions to fetch beside the gate. */
  readonly can: readonly string[];
  readonly agentCan: readonly string[];
}

/** One action on one type of resource: what a request selects. */
export interface ActionOnResource {
  readonly action: Action;
  readonly resourceType: EntityType;
}
