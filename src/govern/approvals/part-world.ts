/** The bounded graph as a part of a permission is judged in it, for one subject; what a deputy may have is left unsure. */
import { listLinkFilters, type Arrow, type ObjectMember, type PartJudgement, type PartWorld } from '../../graph/judge-expression.js'; // prettier-ignore
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
    judgeMembers: async (members) => {
      const asked = members.filter(canAsk);
      const answers = await graph.check(asked.map((member) => ({ ...member, subject })));
      return members.map((member) => {
        const index = asked.indexOf(member);
        return index === -1 ? 'unsure' : toJudgement(answers[index]);
      });
    },
    readLinks: async (object: EntityRef, arrow: Arrow) => {
      const links: Relationship[] = [];
      for (const filter of listLinkFilters(object, arrow, schema)) {
        const { rows, isComplete } = await graph.read(filter);
        if (!isComplete) return undefined;
        links.push(...rows);
      }
      return links;
    },
  };
}

function toJudgement(answer: CheckAnswer | undefined): PartJudgement {
  if (answer?.result === 'yes') return 'yes';
  return isSureNo(answer) ? 'no' : 'unsure';
}
