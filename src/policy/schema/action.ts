/** Entity types and actions as the Cedar schema declares them: the catalogue that every question is looked up in. */
import type { HistoryQuestion } from '../../model/history.js';
import type { Limit } from '../../model/limits.js';
import type { RecordMembers } from './types.js';
import type { EntityUid } from './uid.js';

/** A Cedar entity type and the SpiceDB definition that it stands for. */
export interface EntityType {
  readonly name: string;
  /** The SpiceDB definition, which is also its name in requests, tokens and world files. */
  readonly object: string;
  readonly attributes: RecordMembers;
  /** Whether stored entities may have attributes that aren't declared, which no policy can read: `@open`. */
  readonly open: boolean;
  /** Whether its ids name people (`@person`). */
  readonly person: boolean;
  /** The permission whose holders on one of them may see what was done to it: `@audit`. */
  readonly audit: string | undefined;
  /** All ids that there are of an `enum` type; undefined for any other. */
  readonly ids: readonly string[] | undefined;
  /** Entity types that may be ancestors, over any number of steps. */
  readonly ancestors: ReadonlySet<string>;
  /** All attributes, and those within records and lists: `address`, `address.street`. */
  readonly paths: ReadonlySet<string>;
  /** Values of `@class` and the attribute paths that carry each. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
}

/** A right that a user lacks and can ask for. */
export interface Elevation {
  /** The relation of the resource that the user is given, until it ends by itself. */
  readonly relation: string;
  /** The permission on the resource whose holders may give it. */
  readonly by: string;
  readonly seconds: number;
  /** The permission on the resource that the user has to hold to ask for it. */
  readonly condition: string;
}

/** A member of `context.history`, with the question that it stands for. */
export interface HistoryMember {
  readonly name: string;
  readonly question: HistoryQuestion;
}

export interface Action {
  /** AuthZEN's `action.name`. */
  readonly name: string;
  readonly uid: EntityUid;
  /** The groups that it is in, over any number of steps. */
  readonly groups: readonly EntityUid[];
  /** A title in the imperative: "Update an employee's record". */
  readonly title: string;
  readonly scope: string | undefined;
  /** The scope that covers it on a token for background use. */
  readonly backgroundScope: string | undefined;
  readonly consent: 'standing' | 'each' | undefined;
  /** The bounds on its use: `@limit`. */
  readonly limits: readonly Limit[];
  /** The place of the amount that a question uses, within the context: `["action", "amount"]`. */
  readonly amount: readonly string[] | undefined;
  /** The relation that users may be given for a while, so that they hold the permission: `@elevation`. */
  readonly elevation: Elevation | undefined;
  /** The permission whose holders may approve it in an emergency: `@emergency`. */
  readonly emergency: string | undefined;
  /** The questions about the past that policies read the answers of. */
  readonly history: readonly HistoryMember[];
  /** The effect on its resource: the worst where the schema doesn’t say. */
  readonly effect: 'read' | 'write' | 'delete';
  readonly permission: string;
  readonly agentPermission: string | undefined;
  readonly resourceTypes: readonly EntityType[];
  readonly principalTypes: readonly EntityType[];
  /** The members that policies may read of the context; the engine supplies these and nothing else. */
  readonly context: RecordMembers;
  /** Members of `context.can` and `context.agent_can`: permissions to fetch beside the gate. */
  readonly can: readonly string[];
  readonly agentCan: readonly string[];
}

/** One action on one type of resource, which a request selects by their two names. */
export interface ActionOnResource {
  readonly action: Action;
  readonly resourceType: EntityType;
}
