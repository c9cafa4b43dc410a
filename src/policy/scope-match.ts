/** Tells which questions a policy's scope can match, as far as its text and the schema say. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Action, EntityType } from './schema/action.js';
import { formatUid, type EntityUid } from './schema/uid.js';

/** Whether a policy's scope can match. `in` is never ruled out: stored parents decide it, and not the schema. */
export function canApply(policy: PolicyJson, principal: EntityType, action: Action, resource: EntityType): boolean {
  return (
    entityScopeMatches(policy.principal, principal) &&
    actionScopeMatches(policy.action, action) &&
    entityScopeMatches(policy.resource, resource)
  );
}

function entityScopeMatches(scope: PolicyJson['principal'], type: EntityType): boolean {
  switch (scope.op) {
    case 'All':
    case 'in':
      return true;
    case '==':
      return !('entity' in scope) || unwrapUid(scope.entity).type === type.name;
    case 'is':
      return scope.entity_type === type.name;
  }
}

function actionScopeMatches(scope: PolicyJson['action'], action: Action): boolean {
  if (scope.op === 'All') return true;
  const scopeUids = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : undefined;
  if (scopeUids === undefined) return true;
  const actionUids = scope.op === 'in' ? [action.uid, ...action.groups] : [action.uid];
  const texts = new Set(actionUids.map(formatUid));
  return scopeUids.some((entity) => texts.has(formatUid(unwrapUid(entity))));
}

/** The identity of an entity in either of the forms that Cedar's JSON has for it. */
export function unwrapUid(entity: EntityUid | { readonly __entity: EntityUid }): EntityUid {
  return '__entity' in entity ? entity.__entity : entity;
}
