/** The names of Cedar's actions, entities and their types. */
export interface EntityUid {
  readonly type: string;
  readonly id: string;
}

/** `HR::Action::"read"`. */
export function formatUid(uid: EntityUid): string {
  return `${uid.type}::${JSON.stringify(uid.id)}`;
}

/** `HR` of `HR::Employee`; empty for what is in no namespace. */
export function namespaceOf(type: string): string {
  const cut = type.lastIndexOf('::');
  return cut === -1 ? '' : type.slice(0, cut);
}

export function qualifyName(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}::${name}`;
}

/** Whether a type is that of actions, which are in the schema and never in the entity store. */
export function isActionType(type: string): boolean {
  return /(^|::)Action$/.test(type);
}
