/** Two sets of rules, compared by the decisions that they make. */
import { widens } from '../../records/difference.js';
import type { DecisionRecord, SearchRecord, WithFacts } from '../../model/decision.js';
import { questionText } from '../../records/replay.js';
import type { Rules } from '../../policy/load.js';
import type { Case } from '../test/case.js';
import { answer, byTheUserAlone } from './answer.js';
import { compareCases } from './cases.js';
import { mayGrantMore, schemaDifferences, type SchemaDifference } from './catalogue.js';
import { Differences, type Count, type Group, type PolicyDifference } from './differences.js';
import { changedIn, kindsOf, type Kind } from './kinds.js';
import { requests } from './requests.js';

export interface Comparing {
  /** Of the later rules' tests. */
  readonly cases: readonly Case[];
  /** How many generated requests at most. */
  readonly requests: number;
  readonly seed: number;
  readonly records: AsyncIterable<DecisionRecord | SearchRecord> | Iterable<DecisionRecord | SearchRecord>;
}

export interface Comparison {
  readonly schema: readonly SchemaDifference[];
  readonly policies: readonly PolicyDifference[];
  /** Of the policies those of which no difference in a decision was seen. */
  readonly unseen: readonly PolicyDifference[];
  readonly groups: readonly Group[];
  /** Kinds of differences that were too many to keep. */
  readonly dropped: number;
  readonly counts: Readonly<Record<'cases' | 'requests' | 'records', Count>>;
}

/** @throws Fault where SpiceDB won't start */
export async function compare(
  before: Rules,
  after: Rules,
  { cases, records, ...wanted }: Comparing,
): Promise<Comparison> {
  const differences = new Differences(before, after);
  const schema = schemaDifferences(before, after);
  // Between the same schemas a decision can only differ where policies do.
  const kinds = kindsOf(before, after).filter((kind) => schema.length > 0 || changedIn(kind).length > 0);
  const counts = {
    cases: await compareCases(cases, before, after, differences),
    requests: await compareGenerated(kinds, before, after, wanted, differences),
    records: await compareRecorded(before, after, records, differences),
  };
  return {
    schema,
    policies: differences.policies,
    unseen: differences.unseen(),
    groups: differences.all(),
    dropped: differences.dropped,
    counts,
  };
}

/** Whether there is what `--fail-on` names. What the graph grants isn't known here, so a change of it may widen. */
export function failsOn(
  { schema, policies, groups, dropped }: Comparison,
  what: 'widening' | 'change' | undefined,
): boolean {
  if (what === undefined) return false;
  if (what === 'change') return schema.length + policies.length + groups.length > 0;
  // Of what was too much to keep nobody knows that it doesn't.
  return dropped > 0 || groups.some(({ change }) => widens(change)) || schema.some(mayGrantMore);
}

async function compareGenerated(
  kinds: readonly Kind[],
  before: Rules,
  after: Rules,
  { requests: count, seed }: Pick<Comparing, 'requests' | 'seed'>,
  differences: Differences,
): Promise<Count> {
  const counted = { asked: 0, differing: 0, inconclusive: 0 };
  if (count === 0) return counted;
  for (const { record, kind, where } of requests(kinds, { count, seed })) {
    const asked = {
      origin: 'request' as const,
      text: textOf(kind),
      action: kind.action,
      resource: kind.resource,
      where,
      record,
    };
    await tell(record, asked, before, after, differences, counted);
  }
  return counted;
}

async function compareRecorded(
  before: Rules,
  after: Rules,
  records: Comparing['records'],
  differences: Differences,
): Promise<Count> {
  const counted = { asked: 0, differing: 0, inconclusive: 0 };
  for await (const record of records) {
    if (!('facts' in record) || record.facts === undefined) {
      counted.inconclusive += 1;
      continue;
    }
    const { action, resource } = record.request;
    const asked = {
      origin: 'record' as const,
      text: questionText(record),
      action,
      resource: resource.type,
      where: [record.id],
    };
    await tell({ ...record, facts: record.facts }, asked, before, after, differences, counted);
  }
  return counted;
}

async function tell(
  record: WithFacts,
  asked: Parameters<Differences['add']>[0],
  before: Rules,
  after: Rules,
  differences: Differences,
  counted: { asked: number; differing: number; inconclusive: number },
): Promise<void> {
  const [was, is] = [answer(record, before), answer(record, after)];
  counted.asked += 1;
  if (was.kind === 'inconclusive' || is.kind === 'inconclusive') counted.inconclusive += 1;
  const alone = byTheUserAlone(record);
  const allowed = (one: WithFacts) => (): boolean => {
    const came = answer(one, after);
    // Where nobody knows, the user is not said to be kept out.
    return came.kind === 'inconclusive' || (came.kind === 'decided' && came.decision.decision);
  };
  const different = await differences.add(asked, was, is, alone === undefined ? undefined : allowed(alone));
  if (different) counted.differing += 1;
}

function textOf({ mode, user, agent, action, resource }: Kind): string {
  const who = {
    human: user,
    delegated: `${agent} for ${user}`,
    vouched: `${agent} for ${user}, by the client's word,`,
    direct: `${agent} for itself`,
  };
  return `${who[mode]} ${action} ${resource}`;
}
