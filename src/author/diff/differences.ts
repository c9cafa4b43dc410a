/** Collects the differences between two answers to one question in groups, each with a count and one example. */
import {
  DECISION_CHANGES,
  classifyChange,
  compareObligations,
  type DecisionChange,
  type ComparableDecision,
  type ObligationChanges,
} from '../../records/difference.js';
import type { DecisionRecord } from '../../model/decision.js';
import { formatGrounds } from '../../records/replay.js';
import type { Rules } from '../../policy/load.js';
import type { RequestAnswer } from './answer.js';
import { isSamePolicy } from './question-kinds.js';
import { uniqueValues } from './dimension.js';
import { listShownFields, DANGERS, isIrreversible, lackedPermission, type Danger } from './danger.js';

export type QuestionOrigin = 'case' | 'request' | 'record';

export interface ComparedQuestion {
  readonly origin: QuestionOrigin;
  /** One line: who does what to which resource. */
  readonly text: string;
  readonly action: string;
  /** SpiceDB definition. */
  readonly resource: string;
  /** The unusual values of a generated request, the place of a case, or the id of a record. */
  readonly where: readonly string[];
  /** Reads what the policies of these ids read of it, by either side's rules: values in Cedar's syntax, by their paths. */
  readonly readValues: (policyIds: ReadonlySet<string>) => Promise<ReadValues> | ReadValues;
  /** Replays it with `remit replay --file`; undefined for a case or a record. */
  readonly record?: DecisionRecord | undefined;
}

export type ReadValues = Readonly<Record<string, string>>;

export interface PolicyDifference {
  readonly id: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** The place in the later rules or, for a removed policy, in the earlier ones. */
  readonly source: string;
}

/** Differences that are alike in change, dangers, obligations, action, resource type and policies. */
export interface DifferenceGroup extends ObligationChanges {
  readonly change: DecisionChange;
  readonly dangers: readonly Danger[];
  /** Attributes of a `@class` that are hidden less strictly or no longer. */
  readonly shown: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly responsible: readonly PolicyDifference[];
  readonly before: string;
  readonly after: string;
  readonly count: number;
  /** The least unusual one. */
  readonly example: Omit<ComparedQuestion, 'readValues'>;
  /** The values that the responsible policies read of the example. */
  readonly values: ReadValues;
}

/** Groups that are kept; differences beyond them are only counted. */
const MAX_GROUPS = 10_000;

export class Differences {
  readonly policies: readonly PolicyDifference[];
  private readonly groups = new Map<string, DifferenceGroup>();
  private readonly changedIds: ReadonlyMap<string, PolicyDifference>;
  /** Differences that belong to no group that was kept. */
  dropped = 0;

  constructor(
    private readonly before: Rules,
    private readonly after: Rules,
  ) {
    this.policies = comparePolicies(before, after);
    this.changedIds = new Map(this.policies.map((policy) => [policy.id, policy]));
  }

  /**
   * Adds the difference between two answers, if there is one.
   * @returns whether there is one
   * @param userAlone asks the later rules whether they allow it to the user alone; undefined where no agent asks for a user
   */
  async add(
    { readValues, ...question }: ComparedQuestion,
    before: RequestAnswer,
    after: RequestAnswer,
    userAlone?: UserAloneCheck,
  ): Promise<boolean> {
    const [was, is] = [comparableAnswer(before), comparableAnswer(after)];
    if (was === undefined || is === undefined) return false;
    const change = classifyChange(was, is) ?? (answerDetails(before) === answerDetails(after) ? undefined : 'reasons');
    if (change === undefined) return false;
    const types = [this.before, this.after].flatMap(
      ({ vocabulary }) => vocabulary.typesByObject.get(question.resource) ?? [],
    );
    const obligations = compareObligations(was, is);
    const shown = change === 'fewer_obligations' ? listShownFields(was.obligations, is.obligations, types) : [];
    const dangers =
      change === 'newly_allowed'
        ? await findDangers(question, was, userAlone)
        : shown.length > 0
          ? (['classified_shown'] as const)
          : [];
    const responsible = uniqueValues([...citedPolicies(before), ...citedPolicies(after)]).flatMap(
      (id) => this.changedIds.get(id) ?? [],
    );
    const key = JSON.stringify([
      change,
      dangers,
      obligations,
      question.action,
      question.resource,
      responsible.map(({ id }) => id),
      groupingText(question),
    ]);
    const group = this.groups.get(key);
    if (group === undefined && this.groups.size >= MAX_GROUPS) {
      this.dropped += 1;
      return true;
    }
    const example = group !== undefined && group.example.where.length <= question.where.length ? group : undefined;
    this.groups.set(key, {
      change,
      dangers,
      shown,
      ...obligations,
      action: question.action,
      resource: question.resource,
      responsible,
      before: example?.before ?? explainAnswer(before),
      after: example?.after ?? explainAnswer(after),
      count: (group?.count ?? 0) + 1,
      example: example?.example ?? question,
      values: example?.values ?? (await readValues(new Set(responsible.map(({ id }) => id)))),
    });
    return true;
  }

  /** The groups by change, the widest first, then by danger, then by count. */
  ranked(): readonly DifferenceGroup[] {
    const dangers = Object.keys(DANGERS);
    const rank = (group: DifferenceGroup): number =>
      Math.min(dangers.length, ...group.dangers.map((danger) => dangers.indexOf(danger)));
    return [...this.groups.values()].sort(
      (a, b) =>
        DECISION_CHANGES.indexOf(a.change) - DECISION_CHANGES.indexOf(b.change) ||
        rank(a) - rank(b) ||
        b.dangers.length - a.dangers.length ||
        b.count - a.count,
    );
  }

  /** Differing policies that no differing decision cites. */
  unseen(): readonly PolicyDifference[] {
    const responsibleIds = new Set(
      [...this.groups.values()].flatMap(({ responsible }) => responsible.map(({ id }) => id)),
    );
    return this.policies.filter(({ id }) => !responsibleIds.has(id));
  }
}

type UserAloneCheck = () => Promise<boolean> | boolean;

async function findDangers(
  question: Pick<ComparedQuestion, 'action'>,
  was: ComparableDecision,
  userAlone: UserAloneCheck | undefined,
): Promise<Danger[]> {
  return [
    ...(userAlone !== undefined && !(await userAlone()) ? (['beyond_user'] as const) : []),
    ...(lackedPermission(was) ? (['without_permission'] as const) : []),
    ...(isIrreversible(question.action) ? (['irreversible'] as const) : []),
  ];
}

function comparePolicies({ policies: before }: Rules, { policies: after }: Rules): PolicyDifference[] {
  return uniqueValues([...before.keys(), ...after.keys()]).flatMap((id): PolicyDifference[] => {
    const [was, is] = [before.get(id), after.get(id)];
    const source = (is ?? was)?.source ?? '';
    if (was === undefined) return [{ id, change: 'added', source }];
    if (is === undefined) return [{ id, change: 'removed', source }];
    return isSamePolicy(was, is) ? [] : [{ id, change: 'changed', source }];
  });
}

function comparableAnswer(answer: RequestAnswer): ComparableDecision | undefined {
  if (answer.kind === 'inconclusive') return undefined;
  return answer.kind === 'decided' ? answer.decision : { decision: false, obligations: [], reasons: [] };
}

/** The details in which answers of the same outcome may differ: the refusal's text, or the policies that are cited. */
function answerDetails(answer: RequestAnswer): string {
  return answer.kind === 'refused' ? answer.why : JSON.stringify(citedPolicies(answer));
}

function explainAnswer(answer: RequestAnswer): string {
  if (answer.kind === 'inconclusive') return 'not known';
  return answer.kind === 'refused' ? `refused: ${answer.why}` : formatGrounds(answer.decision);
}

/** Ids of the policies that the answer's evidence and reasons name. */
function citedPolicies(answer: RequestAnswer): string[] {
  if (answer.kind !== 'decided') return [];
  const cited = answer.decision.rationale.steps.flatMap(({ evidence }) =>
    ['permitted_by', 'forbidden_by', 'duties'].flatMap(
      (as) => (evidence[as] as readonly { readonly id: string }[] | undefined) ?? [],
    ),
  );
  return [...cited.map(({ id }) => id), ...answer.decision.reasons.flatMap(({ policies = [] }) => policies)];
}

/** Generated requests are grouped by their kind. Cases and records have too many different subjects for that. */
function groupingText({ text, origin }: Pick<ComparedQuestion, 'text' | 'origin'>): string {
  return origin === 'request' ? text : origin;
}

/** Counts of one origin: questions asked, those answered differently, and those with an inconclusive answer. */
export interface ComparisonCounts {
  readonly asked: number;
  readonly differing: number;
  readonly inconclusive: number;
}
