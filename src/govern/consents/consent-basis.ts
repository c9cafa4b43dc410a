/**
 * The basis of a consent: what the schemas said of its actions when the user gave it. Where one of them has come to mean
 * something else, the user hasn't said yes to that, and the consent is suspended.
 */
import type { AuthorizationDetail } from '../../model/acting.js';
import type { Consent, ConsentBasis } from '../../model/consents.js';
import type { Rules } from '../../policy/load.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import { memoizeByObjects } from '../../runtime/memoize.js';
import { sha256 } from '../../runtime/sha256.js';
import { listNamedActions } from './requested-consent.js';

/** The parts that a consent rests on, as a message names them, in the order of their hashes. */
const BASIS_PARTS = ['permission', 'title', 'effect', 'class', 'definition'] as const;
/** Enough to tell a change; the hashes of a consent are read with each decision. */
const HASH_LENGTH = 12;

/** The hashes of each action that the details name, by its name and the definition of the resource. */
export function describeConsentBasis(details: readonly AuthorizationDetail[], rules: Rules): ConsentBasis {
  const targets = details.flatMap((detail) => listNamedActions(detail, rules));
  return Object.fromEntries(
    targets.map((target) => [basisKey(target), hashAction(target.action, target.resourceType, rules)]),
  );
}

/** The basis of a consent that was narrowed: what was said of the actions that it still names, when the user said yes. */
export function keepBasis({ basis, details }: Pick<Consent, 'basis' | 'details'>, rules: Rules): Consent['basis'] {
  if (basis === 'unchecked') return basis;
  const hashes = Object.keys(describeConsentBasis(details, rules)).flatMap((key) => {
    const hash = Object.hasOwn(basis, key) ? basis[key] : undefined;
    return hash === undefined ? [] : [[key, hash] as const];
  });
  return Object.fromEntries(hashes);
}

/** Says what of the consent's actions has changed since it was given; undefined where nothing has. */
export function findBasisChange(
  { basis, details }: Pick<Consent, 'basis' | 'details'>,
  rules: Rules,
): string | undefined {
  if (basis === 'unchecked') return undefined;
  const current = describeConsentBasis(details, rules);
  for (const key of new Set([...Object.keys(basis), ...Object.keys(current)])) {
    const before = Object.hasOwn(basis, key) ? basis[key] : undefined;
    const now = Object.hasOwn(current, key) ? current[key] : undefined;
    if (before === now) continue;
    if (before === undefined) return `${key} has been added`;
    if (now === undefined) return `${key} is no longer there`;
    const part = BASIS_PARTS.find((_, i) => before.split('.')[i] !== now.split('.')[i]);
    return `the ${part ?? 'definition'} of ${key} has changed`;
  }
  return undefined;
}

function basisKey({ action, resourceType }: ActionOnResource): string {
  return `"${action.name}" on "${resourceType.object}"`;
}

const hashAction = memoizeByObjects(
  (action: ActionOnResource['action'], resourceType: ActionOnResource['resourceType'], { graph }: Rules): string => {
    const { permission, agentPermission, title, effect } = action;
    const { object, classes } = resourceType;
    const definition = graph.permissionExpression(object, permission) ?? graph.relationTypes(object, permission);
    const parts: Readonly<Record<(typeof BASIS_PARTS)[number], unknown>> = {
      permission: [permission, agentPermission],
      title,
      effect,
      class: [...classes].map(([name, paths]) => [name, [...paths].sort()]).sort(),
      definition: [object, definition],
    };
    return BASIS_PARTS.map((part) => sha256(stringifyPart(parts[part])).slice(0, HASH_LENGTH)).join('.');
  },
);

/** Leaves out the places in the source, which a comment moves. */
function stringifyPart(part: unknown): string {
  return JSON.stringify(part, (name, value: unknown) => (name === 'range' ? undefined : value));
}
