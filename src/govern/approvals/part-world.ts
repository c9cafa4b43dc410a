/** The bounded graph as a part of a permission is judged in it, for one subject; what a deputy may have is left unsure. */
import { judgeAskable, listLinkFilters, type ObjectMember, type PartJudgement, type PartWorld } from '../../graph/judge-expression.js'; // prettier-ignore
import type { RelationshipFilter } from '../../graph/port.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { EntityRef } from '../../model/ids.js';
import type { Relationship } from '../../model/relationships.js';
import { isSureNo, type BoundedGraph } from './bounded-graph.js';
import type { Deputies } from './deputies.js';

interface PartWorldDeps {
  readonly graph: BoundedGraph;
  readonly schema: GraphSchema;
  /** Makes unsure what a deputy may have in the place of members. */
  readonly deputies: Deputies | undefined;
}

/** Its functions throw ExpansionLimitError, and what the graph throws. */
export function createPartWorld(subject: EntityRef, { graph, schema, deputies }: PartWorldDeps): PartWorld {
  // `self`, which can't be asked for, and what a deputy may have in a member's place.
  const canAsk = ({ resource: { type }, permission }: ObjectMember): boolean =>
    schema.hasMember(type, permission) && deputies?.mayReach(type, permission) !== true;
  return {
    judgeMembers: (members) =>
      judgeAskable(
        members,
        canAsk,
        async (askable) => (await graph.check(askable.map((member) => ({ ...member, subject })))).map(toJudgement),
        () => 'unsure',
      ),
    readLinks: (object, arrow) => readAllLinks(graph, listLinkFilters(object, arrow, schema)),
  };
}

/** Reads the relationships of all filters; undefined where there are more than may be read. */
export async function readAllLinks(
  graph: BoundedGraph,
  filters: readonly RelationshipFilter[],
): Promise<Relationship[] | undefined> {
  const links: Relationship[] = [];
  for (const filter of filters) {
    const { rows, isComplete } = await graph.read(filter);
    if (!isComplete) return undefined;
    links.push(...rows);
  }
  return links;
}

function toJudgement(answer: CheckAnswer): PartJudgement {
  if (answer.result === 'yes') return 'yes';
  return isSureNo(answer) ? 'no' : 'unsure';
}
