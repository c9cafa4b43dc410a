/**
 * Finds what a test states of people and agents who have no part in its cases: a delegation, a consent or a use of theirs changes
 * no decision, so a slip in an id would leave a test that passes without what it is about. Finds delegations of one pair, too.
 */
import { readAddedRelationships } from './added-relationships.js';
import type { LoadedWorld } from '../../config/world.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { LIMIT_SUBJECTS, type Limit, type LimitSubject } from '../../model/limits.js';
import type { Relationship } from '../../model/relationships.js';
import type { Rules } from '../../policy/load.js';
import { readStatedLimits } from '../../policy/schema/limits-format.js';
import { DELEGATOR_RELATION } from '../../policy/schema/vocabulary.js';
import type { Requester } from './case.js';
import type { ConsentSpec, DelegationSpec, TestSpec, UseSpec } from './format.js';
import type { Path, SuiteFindings } from './suite-findings.js';

/** The ids of those who take part in a question. */
interface QuestionParties {
  /** The user that an agent acts for; undefined where none does. */
  readonly user: string | undefined;
  /** The acting agent first, then those of its chain, and those that may pass a delegation on. */
  readonly agents: readonly string[];
  /** The parties that limits are counted for. */
  readonly charged: Readonly<Record<LimitSubject, readonly string[]>>;
}

type GrantSpec = DelegationSpec | ConsentSpec;

const UNREAD = 'so nothing reads this';

export class StatedParties {
  private readonly worldPassers: readonly string[];

  constructor(
    world: LoadedWorld,
    private readonly rules: Rules,
    private readonly findings: SuiteFindings,
  ) {
    this.worldPassers = world.relationships.flatMap((relationship) => this.passingAgent(relationship));
  }

  /** @param requesters of the test; none where their names are wrong, which is reported as what it is */
  check(test: TestSpec, at: Path, requesters: readonly Requester[]): void {
    const { delegations = [], consents = [], used = [] } = test;
    if (requesters.length === 0 || delegations.length + consents.length + used.length === 0) return;
    const passers = [
      ...this.worldPassers,
      ...readAddedRelationships(test.with ?? []).flatMap((added) => this.passingAgent(added)),
    ];
    const questions = requesters.map((requester) => readQuestionParties(requester, passers));
    for (const [i, spec] of delegations.entries()) {
      this.checkGrant(spec, [...at, 'delegations', i], questions);
      this.checkRepeated(delegations, i, [...at, 'delegations', i], questions);
    }
    for (const [i, spec] of consents.entries()) this.checkGrant(spec, [...at, 'consents', i], questions);
    const ofGrants = [...delegations, ...consents].flatMap(({ limits = [] }) => readStatedLimits(limits));
    for (const [i, use] of used.entries()) this.checkUse(use, [...at, 'used', i], questions, ofGrants);
  }

  private checkGrant(spec: GrantSpec, path: Path, questions: readonly QuestionParties[]): void {
    if (questions.some((question) => findGrantedAgents(spec, question).length > 0)) return;
    const acting = questions.filter(({ user }) => user !== undefined);
    const users = new Set(acting.flatMap(({ user }) => user ?? []));
    const agents = new Set(acting.flatMap((question) => question.agents));
    const { user, agent } = spec;
    if (acting.length === 0) this.findings.report(path, `no agent asks for a user here, ${UNREAD}`);
    else if (user !== undefined && !users.has(user))
      this.findings.report([...path, 'user'], `nothing is asked for "${user}" here, ${UNREAD}`, suggestNearest(user, users)); // prettier-ignore
    else if (agent !== undefined && !agents.has(agent))
      this.findings.report([...path, 'agent'], `"${agent}" does not act here, ${UNREAD}`, suggestNearest(agent, agents)); // prettier-ignore
    else this.findings.report(path, `"${agent ?? ''}" does not act for "${user ?? ''}" here, ${UNREAD}`);
  }

  /** A user has one delegation for an agent, and which of two counted would depend on their order. */
  private checkRepeated(
    specs: readonly DelegationSpec[],
    index: number,
    path: Path,
    questions: readonly QuestionParties[],
  ): void {
    for (const [earlier, other] of specs.slice(0, index).entries())
      for (const question of questions) {
        const others = findGrantedAgents(other, question);
        const both = findGrantedAgents(specs[index] as DelegationSpec, question).find((id) => others.includes(id));
        if (both === undefined) continue;
        const message = `delegations[${earlier}] is of "${question.user ?? ''}" to "${both}" as well, and a user has one for an agent`;
        this.findings.report(path, message, 'name the user and the agent of each');
        return;
      }
  }

  /** @param ofGrants the limits of the test's delegations and consents */
  private checkUse(use: UseSpec, path: Path, questions: readonly QuestionParties[], ofGrants: readonly Limit[]): void {
    const ofActions = this.rules.vocabulary.actions.flatMap(({ name, limits }) => (name === use.action ? limits : []));
    // Where there is none, that is reported as what it is.
    const limits = [...ofActions, ...ofGrants].filter(({ bound }) => bound.unit === undefined || bound.unit === use.amount?.unit); // prettier-ignore
    const isParty = (subject: LimitSubject, { charged }: QuestionParties): boolean =>
      use[subject] === undefined || charged[subject].includes(use[subject]);
    const isCounted = ({ by }: Pick<Limit, 'by'>): boolean =>
      questions.some((question) => by.every((subject) => isParty(subject, question)));
    // The limits of a grant are counted for its user and its agent.
    const counting = limits.map((limit) => (ofGrants.includes(limit) ? { by: LIMIT_SUBJECTS } : limit));
    if (counting.length === 0 || counting.some(isCounted)) return;
    const whose = LIMIT_SUBJECTS.flatMap((subject) => (use[subject] === undefined ? [] : [`the ${subject} "${use[subject]}"`])); // prettier-ignore
    this.findings.report(path, `no limit counts what ${whose.join(' and ')} used for what is asked here, ${UNREAD}`);
  }

  /** The agent that has passed its delegation on to another. */
  private passingAgent({ resource, relation, subject }: Relationship): string[] {
    const { agentObject } = this.rules.vocabulary;
    const isPassedOn = relation === DELEGATOR_RELATION && resource.type === agentObject && subject.type === agentObject;
    return isPassedOn ? [subject.id] : [];
  }
}

function readQuestionParties({ subject, token, agent }: Requester, passers: readonly string[]): QuestionParties {
  const actingAgent = token?.agent ?? agent;
  const user = token === undefined ? subject.id : token.user;
  // One who acts alone is charged as both.
  if (actingAgent === undefined || user === undefined)
    return { user: undefined, agents: [], charged: { user: [subject.id], agent: [subject.id] } };
  const agents = [...new Set([actingAgent, ...(token?.chain ?? []), ...passers])];
  return { user, agents, charged: { user: [user], agent: agents } };
}

/** The agents of the question that the grant is for, one that names no agent for each of them. */
function findGrantedAgents({ user, agent }: GrantSpec, question: QuestionParties): readonly string[] {
  if (question.user === undefined || (user ?? question.user) !== question.user) return [];
  return agent === undefined ? question.agents : question.agents.filter((id) => id === agent);
}
