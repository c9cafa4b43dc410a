/** `remit diff`: compares two sets of rules by the decisions that they make on test cases, generated requests and records. */
import { isWidening } from '../../records/difference.js';
import type { DecisionRecord, SearchRecord, ReplayableRecord } from '../../model/decision.js';
import { formatQuestion } from '../../records/replay.js';
import type { Rules } from '../../policy/load.js';
import type { TestCase } from '../test/case.js';
import { answerRecord } from '../../records/redecide.js';
import { compareCases } from './cases.js';
import { mayGrantMore, compareSchemas, type SchemaDifference } from './schema-differences.js';
import { answerGeneratedRequest, readAnswerValues, withoutAgent } from './answer.js';
import {
  Differences,
  type ComparedQuestion,
  type ComparisonCounts,
  type DifferenceGroup,
  type PolicyDifference,
  type ReadValues,
} from './differences.js';
import { changedPolicies, listQuestionKinds, type QuestionKind } from './question-kinds.js';
import { generateRequests } from './requests.js';

export interface ComparisonInput {
  /** The cases of the later rules' tests. */
  readonly cases: readonly TestCase[];
  /** Generated requests at most. */
  readonly requests: number;
  readonly seed: number;
  readonly records: AsyncIterable<DecisionRecord | SearchRecord> | Iterable<DecisionRecord | SearchRecord>;
}

export interface RulesDiff {
  readonly schema: readonly SchemaDifference[];
  readonly policies: readonly PolicyDifference[];
  /** The differing policies that no differing decision cites. */
  readonly unseen: readonly PolicyDifference[];
  readonly groups: readonly DifferenceGroup[];
  /** Differing decisions whose group was one too many to keep. */
  readonly dropped: number;
  readonly counts: Readonly<Record<'cases' | 'requests' | 'records', ComparisonCounts>>;
}

/** @throws Fault where SpiceDB doesn't start */
export async function compareRules(
  before: Rules,
  after: Rules,
  { cases, records, ...sampling }: ComparisonInput,
): Promise<RulesDiff> {
  const differences = new Differences(before, after);
  const schema = compareSchemas(before, after);
  // With the same schemas a decision can only differ where policies do.
  const kinds = listQuestionKinds(before, after).filter(
    (kind) => schema.length > 0 || changedPolicies(kind).length > 0,
  );
  const counts = {
    cases: await compareCases(cases, before, after, differences),
    requests: await compareGeneratedRequests(kinds, before, after, sampling, differences),
    records: await compareRecords(before, after, records, differences),
  };
  return {
    schema,
    policies: differences.policies,
    unseen: differences.unseen(),
    groups: differences.ranked(),
    dropped: differences.dropped,
    counts,
  };
}

/**
 * Whether the comparison has what `--fail-on` names. A changed graph counts as a widening, since the relationships aren't
 * known here.
 */
export function failsOn(
  { schema, policies, groups, dropped }: RulesDiff,
  condition: 'widening' | 'change' | undefined,
): boolean {
  if (condition === undefined) return false;
  if (condition === 'change') return schema.length + policies.length + groups.length > 0;
  // A difference that was dropped may be a widening as well.
  return dropped > 0 || groups.some(({ change }) => isWidening(change)) || schema.some(mayGrantMore);
}

async function compareGeneratedRequests(
  kinds: readonly QuestionKind[],
  before: Rules,
  after: Rules,
  { requests: count, seed }: Pick<ComparisonInput, 'requests' | 'seed'>,
  differences: Differences,
): Promise<ComparisonCounts> {
  const counts = { asked: 0, differing: 0, inconclusive: 0 };
  if (count === 0) return counts;
  for (const { record, kind, where } of generateRequests(kinds, { count, seed })) {
    const question = {
      origin: 'request' as const,
      text: describeKind(kind),
      action: kind.action,
      resource: kind.resource,
      where,
      record,
    };
    await compareAnswers(record, question, before, after, differences, counts);
  }
  return counts;
}

async function compareRecords(
  before: Rules,
  after: Rules,
  records: ComparisonInput['records'],
  differences: Differences,
): Promise<ComparisonCounts> {
  const counts = { asked: 0, differing: 0, inconclusive: 0 };
  for await (const record of records) {
    if (!('facts' in record) || record.facts === undefined) {
      counts.inconclusive += 1;
      continue;
    }
    const { action, resource } = record.request;
    const question = {
      origin: 'record' as const,
      text: formatQuestion(record),
      action,
      resource: resource.type,
      where: [record.id],
    };
    await compareAnswers({ ...record, facts: record.facts }, question, before, after, differences, counts);
  }
  return counts;
}

async function compareAnswers(
  record: ReplayableRecord,
  question: Omit<ComparedQuestion, 'readValues'>,
  before: Rules,
  after: Rules,
  differences: Differences,
  counts: { asked: number; differing: number; inconclusive: number },
): Promise<void> {
  const answer = question.origin === 'request' ? answerGeneratedRequest : answerRecord;
  const [was, is] = [answer(record, before), answer(record, after)];
  counts.asked += 1;
  if (was.kind === 'inconclusive' || is.kind === 'inconclusive') counts.inconclusive += 1;
  const userRequest = withoutAgent(record);
  const allowsRequest = (request: ReplayableRecord) => (): boolean => {
    const alone = answer(request, after);
    // An inconclusive answer doesn't show that the user is denied; nor does what a made-up user was left without.
    if (alone.kind !== 'decided') return alone.kind === 'inconclusive';
    const { decision, reasons } = alone.decision;
    return decision || (question.origin === 'request' && reasons.every(({ code }) => code === 'attribute_missing'));
  };
  const readValues = (policyIds: ReadonlySet<string>): ReadValues => readAnswerValues([was, is], policyIds, after);
  const different = await differences.add(
    { ...question, readValues },
    was,
    is,
    userRequest === undefined ? undefined : allowsRequest(userRequest),
  );
  if (different) counts.differing += 1;
}

function describeKind({ mode, user, agent, action, resource }: QuestionKind): string {
  const subjects = {
    human: user,
    delegated: `${agent} for ${user}`,
    vouched: `${agent} for ${user}, by the client's word,`,
    direct: `${agent} for itself`,
  };
  return `${subjects[mode]} ${action} ${resource}`;
}
