/** The permissions that a decision asks the graph for: the gate, and those that the action's context type names. */
import { holder } from '../model/acting.js';
import type { AskedCheck } from '../model/checks.js';
import type { EntityRef } from '../model/ids.js';
import type { Established } from './bound-question.js';

/** The check that decides whether the resource is within reach. */
export function gate({ acting, on, question }: Established): AskedCheck {
  return {
    resource: resourceOf(question),
    permission: on.action.permission,
    subject: holder(acting),
    explain: question.explain,
  };
}

/** Permissions that the schema wants in `context.can`, checked for whoever holds the gate's permission. */
export function canChecks({ on, acting, question }: Established): AskedCheck[] {
  return on.action.can.map((permission) => ({ resource: question.resource, permission, subject: holder(acting) }));
}

/** Those of `context.agent_can`, checked for the agent in delegated mode. */
export function agentCanChecks({ on, acting, question }: Established): AskedCheck[] {
  const { agent } = acting;
  if (acting.mode !== 'delegated' || agent === undefined) return [];
  return on.action.agentCan.map((permission) => ({ resource: question.resource, permission, subject: agent }));
}

export function resourceOf({ resource }: Established['question']): EntityRef {
  return { type: resource.type, id: resource.id };
}
