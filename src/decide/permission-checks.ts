/** The permissions that a decision asks the graph for: the gate, and those that the action's context type names. */
import { permissionSubject } from '../model/acting.js';
import type { CheckRequest } from '../model/checks.js';
import type { EntityRef } from '../model/ids.js';
import type { BoundQuestion } from './bound-question.js';

/** The check that decides whether the resource is within reach. */
export function buildGateCheck({ acting, target, question }: BoundQuestion): CheckRequest {
  return {
    resource: toResourceRef(question),
    permission: target.action.permission,
    subject: permissionSubject(acting),
    explain: question.explain,
  };
}

/** Permissions that the schema wants in `context.can`, checked for whoever holds the gate's permission. */
export function buildCanChecks({ target, acting, question }: BoundQuestion): CheckRequest[] {
  return target.action.can.map((permission) => ({
    resource: question.resource,
    permission,
    subject: permissionSubject(acting),
  }));
}

/** Those of `context.agent_can`, checked for the agent in delegated mode. */
export function buildAgentCanChecks({ target, acting, question }: BoundQuestion): CheckRequest[] {
  if (acting.mode !== 'delegated') return [];
  return target.action.agentCan.map((permission) => ({
    resource: question.resource,
    permission,
    subject: acting.agent,
  }));
}

export function toResourceRef({ resource }: BoundQuestion['question']): EntityRef {
  return { type: resource.type, id: resource.id };
}
