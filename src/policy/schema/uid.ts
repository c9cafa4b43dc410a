/** What Cedar names actions and entities by. */
export interface EntityUid {
  readonly type: string;
  readonly id: string;
}

/** `HR::Action::"read"`. */
export function formatUid(uid: EntityUid): string {
  return `${uid.type}::${JSON.stringify(uid.id)}`;
}
