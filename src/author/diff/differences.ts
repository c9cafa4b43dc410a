/** Differences between two answers to one question, gathered by kind: one example each, and how many there are. */
import { CHANGES, changeOf, type Change, type Compared } from '../../records/difference.js';
import type { DecisionRecord } from '../../model/decision.js';
import { because } from '../../records/replay.js';
import type { Rules } from '../../policy/load.js';
import type { Answer } from './answer.js';
import { saysTheSame } from './kinds.js';
import { unique } from './matter.js';
import { classifiedShown, DANGERS, isIrreversible, lackedPermission, type Danger } from './danger.js';

/** Where a question comes from. */
export type Origin = 'case' | 'request' | 'record';

export interface Asked {
  readonly origin: Origin;
  /** Who does what to what, in a line. */
  readonly text: string;
  readonly action: string;
  /** SpiceDB definition. */
  readonly resource: string;
  /** What of it is worth telling: what is not as usual, or where it stands. */
  readonly where: readonly string[];
  /** To make it again with `remit replay --file`, where that can be. */
  readonly record?: DecisionRecord | undefined;
}

export interface PolicyDifference {
  readonly id: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Where it is, or was. */
  readonly source: string;
}

/** Differences of one kind. */
export interface Group {
  readonly change: Change;
  readonly dangers: readonly Danger[];
  /** Fields of a class that are masked no longer, or less. */
  readonly shown: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly responsible: readonly PolicyDifference[];
  readonly before: string;
  readonly after: string;
  readonly count: number;
  /** The one that is the least unusual. */
  readonly example: Asked;
}

/** Kinds of differences that are kept; of what is beyond them only the number is. */
const MAX_GROUPS = 10_000;

export class Differences {
  readonly policies: readonly PolicyDifference[];
  private readonly groups = new Map<string, Group>();
  private readonly changedIds: ReadonlyMap<string, PolicyDifference>;
  /** Groups that were left out, since there were too many. */
  dropped = 0;

  constructor(
    private readonly before: Rules,
    private readonly after: Rules,
  ) {
    this.policies = policyDifferences(before, after);
    this.changedIds = new Map(this.policies.map((one) => [one.id, one]));
  }

  /**
   * Whether there is one.
   * @param userAlone whether the later rules allow it to the user alone; undefined where no agent asks for a user
   */
  async add(asked: Asked, before: Answer, after: Answer, userAlone?: UserAlone): Promise<boolean> {
    const [was, is] = [comparedOf(before), comparedOf(after)];
    if (was === undefined || is === undefined) return false;
    const change = changeOf(was, is) ?? (told(before) === told(after) ? undefined : 'reasons');
    if (change === undefined) return false;
    const types = [this.before, this.after].flatMap(({ vocabulary }) => vocabulary.byObject.get(asked.resource) ?? []);
    const shown = change === 'fewer_obligations' ? classifiedShown(was.obligations, is.obligations, types) : [];
    const dangers =
      change === 'newly_allowed'
        ? await dangersOf(asked, was, userAlone)
        : shown.length > 0
          ? (['classified_shown'] as const)
          : [];
    const responsible = unique([...citedBy(before), ...citedBy(after)]).flatMap((id) => this.changedIds.get(id) ?? []);
    const key = JSON.stringify([
      change,
      dangers,
      asked.action,
      asked.resource,
      responsible.map(({ id }) => id),
      sortOf(asked),
    ]);
    const known = this.groups.get(key);
    if (known === undefined && this.groups.size >= MAX_GROUPS) {
      this.dropped += 1;
      return true;
    }
    const example = known !== undefined && known.example.where.length <= asked.where.length ? known : undefined;
    this.groups.set(key, {
      change,
      dangers,
      shown,
      action: asked.action,
      resource: asked.resource,
      responsible,
      before: example?.before ?? whyOf(before),
      after: example?.after ?? whyOf(after),
      count: (known?.count ?? 0) + 1,
      example: example?.example ?? asked,
    });
    return true;
  }

  /** What gives more first, and of that the dangerous ones. */
  all(): readonly Group[] {
    const dangers = Object.keys(DANGERS);
    const rank = (group: Group): number =>
      Math.min(dangers.length, ...group.dangers.map((one) => dangers.indexOf(one)));
    return [...this.groups.values()].sort(
      (a, b) =>
        CHANGES.indexOf(a.change) - CHANGES.indexOf(b.change) ||
        rank(a) - rank(b) ||
        b.dangers.length - a.dangers.length ||
        b.count - a.count,
    );
  }

  /** Policies that differ, and of which no difference in a decision was seen. */
  unseen(): readonly PolicyDifference[] {
    const seen = new Set([...this.groups.values()].flatMap(({ responsible }) => responsible.map(({ id }) => id)));
    return this.policies.filter(({ id }) => !seen.has(id));
  }
}

type UserAlone = () => Promise<boolean> | boolean;

async function dangersOf(asked: Asked, was: Compared, userAlone: UserAlone | undefined): Promise<Danger[]> {
  return [
    ...(userAlone !== undefined && !(await userAlone()) ? (['beyond_user'] as const) : []),
    ...(lackedPermission(was) ? (['without_permission'] as const) : []),
    ...(isIrreversible(asked.action) ? (['irreversible'] as const) : []),
  ];
}

function policyDifferences({ policies: before }: Rules, { policies: after }: Rules): PolicyDifference[] {
  return unique([...before.keys(), ...after.keys()]).flatMap((id): PolicyDifference[] => {
    const [was, is] = [before.get(id), after.get(id)];
    const source = (is ?? was)?.source ?? '';
    if (was === undefined) return [{ id, change: 'added', source }];
    if (is === undefined) return [{ id, change: 'removed', source }];
    return saysTheSame(was, is) ? [] : [{ id, change: 'changed', source }];
  });
}

function comparedOf(answer: Answer): Compared | undefined {
  if (answer.kind === 'inconclusive') return undefined;
  return answer.kind === 'decided' ? answer.decision : { decision: false, obligations: [], reasons: [] };
}

/** What else there is to an answer: why it is refused, or which policies it cites. */
function told(answer: Answer): string {
  return answer.kind === 'refused' ? answer.why : JSON.stringify(citedBy(answer));
}

function whyOf(answer: Answer): string {
  if (answer.kind === 'inconclusive') return 'not known';
  return answer.kind === 'refused' ? `refused: ${answer.why}` : because(answer.decision);
}

/** Ids of the policies that had a part in it. */
function citedBy(answer: Answer): string[] {
  if (answer.kind !== 'decided') return [];
  const cited = answer.decision.rationale.steps.flatMap(({ evidence }) =>
    ['permitted_by', 'forbidden_by', 'duties'].flatMap(
      (as) => (evidence[as] as readonly { readonly id: string }[] | undefined) ?? [],
    ),
  );
  return [...cited.map(({ id }) => id), ...answer.decision.reasons.flatMap(({ policies = [] }) => policies)];
}

/** A generated request is told by its kind; who asks in cases and records is many. */
function sortOf({ text, origin }: Asked): string {
  return origin === 'request' ? text : origin;
}

/** Of one origin: how many were asked, how many of them are answered differently, and of how many nothing is known. */
export interface Count {
  readonly asked: number;
  readonly differing: number;
  readonly inconclusive: number;
}
