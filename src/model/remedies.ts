/** Remedies: what would turn a deny into an allow. */

export type Remedy =
  | { readonly type: 'consent' }
  | { readonly type: 'approval'; readonly permission: string }
  | { readonly type: 'step_up'; readonly acr: string }
  /**
   * A token with these scopes, separated by spaces. Policies don't name this remedy: it comes with `scope_insufficient`.
   * `challenge` is what the API's own `WWW-Authenticate` should say to the agent (RFC 6750 section 3).
   */
  | { readonly type: 'scope'; readonly scope: string; readonly challenge: string }
  /** Another token, or the same one with a proof. */
  | { readonly type: 'token'; readonly challenge: string };
