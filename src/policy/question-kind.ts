/** Kinds of questions: which type of principal asks for which action on which type of resource. */
import type { Action, EntityType } from './schema/action.js';

/** `agent read employee`, as coverage and lints name it. */
export function formatQuestionKind(principal: EntityType, action: Action, resource: EntityType): string {
  return `${principal.object} ${action.name} ${resource.object}`;
}
