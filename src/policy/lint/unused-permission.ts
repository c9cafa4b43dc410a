/** Finds permissions of the SpiceDB schema that nothing asks for. */
import { listReviewPermissions } from '../duties.js';
import type { Lint } from './lint.js';

export const unusedPermission: Lint = {
  rule: 'unused-permission',
  title: 'A permission that nothing asks for',
  why: 'A reader of the schema may believe that it guards something.',
  cure: 'Name it in an action’s `@permission` or `can`, in a type’s `@audit`, in a `@remedy` or a `@duty("review:…")`, or in the configuration’s `approvals`, or remove it.',
  run: ({ rules: { graph, vocabulary, policies }, configuredPermissions }) => {
    const used = new Set([...graph.mentionedNames(), ...configuredPermissions]);
    for (const action of vocabulary.actions) {
      const { permission: needed, agentPermission, can, agentCan, elevation, emergency } = action;
      const approvers = [elevation?.by, elevation?.condition, emergency];
      for (const permission of [needed, agentPermission, ...can, ...agentCan, ...approvers])
        if (permission !== undefined)
          for (const { object } of action.resourceTypes) used.add(`${object}#${permission}`);
    }
    for (const { object, audit } of vocabulary.entityTypes.values())
      if (audit !== undefined) used.add(`${object}#${audit}`);
    for (const { remedies, duties = [] } of policies.values()) {
      for (const remedy of remedies) if (remedy.type === 'approval') used.add(remedy.permission);
      for (const permission of listReviewPermissions(duties)) used.add(permission);
    }
    return graph.definitionNames().flatMap((type) =>
      graph
        .permissionNames(type)
        .filter((name) => !used.has(name) && !used.has(`${type}#${name}`))
        .map((name) => ({
          location: graph.place(type, name),
          message: `no action, remedy, review, configuration or other permission uses "${name}" of "${type}"`,
        })),
    );
  },
};
