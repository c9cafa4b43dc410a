/** The name of a kind of question: which type of principal asks for which action on which type of resource. */
import type { Action } from './schema/action.js';
import type { EntityType } from './schema/action.js';

/** Types and an action, as coverage names them: `agent read employee`. */
export function formatQuestionKind(principal: EntityType, action: Action, resource: EntityType): string {
  return `${principal.object} ${action.name} ${resource.object}`;
}
