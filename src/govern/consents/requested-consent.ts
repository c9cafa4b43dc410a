/** Checks what a consent is to be for: its details are understood, and name what asks for consent. */
import type { AccessType, AuthorizationDetail } from '../../model/acting.js';
import { BadRequest } from '../../model/faults.js';
import type { Rules } from '../../policy/load.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import { listDetailResources } from '../../tokens/authorization-details.js';
import { checkRequestedDetails } from '../requested-details.js';

/**
 * @param place of the details in the request
 * @throws BadRequest naming the member; `consent_not_asked` for an action that asks for no consent
 */
export function checkConsentDetails(
  details: readonly AuthorizationDetail[],
  access: AccessType,
  rules: Rules,
  place: string,
): void {
  checkRequestedDetails(details, rules, place);
  for (const [i, detail] of details.entries()) {
    if (detail.access !== undefined && detail.access !== access)
      throw new BadRequest(`is not the "access" of the whole, "${access}"`, `${place}[${i}].access`);
    for (const [j, name] of (detail.actions ?? []).entries()) {
      const asking = listNamedActions({ ...detail, actions: [name] }, rules).filter(({ action }) => action.consent);
      if (asking.length === 0)
        throw new BadRequest(
          `"${name}" asks for no consent on what the detail names: bounds for it belong to the delegation`,
          `${place}[${i}].actions[${j}]`,
          400,
          'consent_not_asked',
        );
    }
  }
}

/** The actions that a detail names, each on the type of resource that it applies to. */
export function listNamedActions(
  detail: AuthorizationDetail,
  { vocabulary }: Pick<Rules, 'vocabulary'>,
): ActionOnResource[] {
  const { actions = [], datatypes, resources } = detail;
  const resourceNames = listDetailResources(detail);
  const types = new Set(
    resourceNames.map((name) => (typeof name === 'string' ? (name.split(':', 1)[0] ?? '') : name.type)),
  );
  return vocabulary.actions.flatMap((action) =>
    actions.includes(action.name)
      ? action.resourceTypes
          .filter(({ object }) => resources === undefined || types.has(object))
          .filter(({ object }) => datatypes === undefined || datatypes.includes(object))
          .map((resourceType) => ({ action, resourceType }))
      : [],
  );
}
