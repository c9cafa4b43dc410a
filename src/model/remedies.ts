/** Remedies: what would turn a deny into an allow. */
import type { StatedQuantity } from './quantities.js';

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
  | { readonly type: 'token'; readonly challenge: string }
  /** Waiting until this instant, RFC 3339, at which a token or a consent begins to hold. Policies name no such time. */
  | { readonly type: 'time'; readonly not_before: string }
  /** Waiting until there is more of a limit, or using less. An agent is told the instant alone. */
  | {
      readonly type: 'limit';
      readonly resets_at: string;
      readonly required?: StatedQuantity | undefined;
      readonly remaining?: StatedQuantity | undefined;
    }
  /** A delegation, which the user gives: at this address, where the deployment has a page for it. */
  | { readonly type: 'delegation'; readonly delegate_url?: string };
