/** Obligations: what a client must do when it acts on an allow (AuthZEN). */

/** The obligations that Remit states; policy/duties.ts has an entry for each. */
export const OBLIGATION_TYPES = ['mask', 'visible_fields', 'notification'] as const;
export type ObligationType = (typeof OBLIGATION_TYPES)[number];

export interface Obligation {
  readonly id: string;
  readonly type: ObligationType;
  readonly properties: Readonly<Record<string, unknown>>;
}
