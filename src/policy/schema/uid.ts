/** What Cedar names actions and entities by. */
export interface Uid {
  readonly type: string;
  readonly id: string;
}

/** `HR::Action::"read"`. */
export function uidText(uid: Uid): string {
  return `${uid.type}::${JSON.stringify(uid.id)}`;
}
