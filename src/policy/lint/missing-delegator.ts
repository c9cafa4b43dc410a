/** Finds a definition of agents that nothing can be delegated to, although agents are to act for users. */
import { DELEGATOR_RELATION } from '../schema/vocabulary.js';
import type { Lint } from './lint.js';

export const missingDelegator: Lint = {
  rule: 'missing-delegator',
  title: 'Agents without a `delegator`',
  why: 'An agent acts for a user only where the graph says that the user has delegated to it. Nothing can say so here, so every such question is denied.',
  cure: 'Add `relation delegator: user` to the definition of agents.',
  run: ({ rules: { graph, vocabulary } }) => {
    const { agentObject, userObject, actions } = vocabulary;
    const isForUsers = userObject !== undefined || actions.some(({ agentCan }) => agentCan.length > 0);
    if (agentObject === undefined || !isForUsers || graph.hasMember(agentObject, DELEGATOR_RELATION)) return [];
    return [
      {
        location: graph.place(agentObject),
        message: `"${agentObject}" has no relation "${DELEGATOR_RELATION}", so no agent can act for a user`,
        suggestion: `relation ${DELEGATOR_RELATION}: ${userObject ?? 'user'}`,
      },
    ];
  },
};
