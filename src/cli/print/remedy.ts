/** A remedy in words, for decisions and explanations. */
import type { Remedy } from '../../model/remedies.js';

export function describeRemedy(remedy: Remedy): string {
  switch (remedy.type) {
    case 'consent':
      return "the user's consent";
    case 'approval':
      return `an approval by a holder of "${remedy.permission}"`;
    case 'step_up':
      return `a stronger sign-in (acr ${remedy.acr})`;
    case 'scope':
      return `a token with the scope ${remedy.scope}`;
    case 'time':
      return `waiting until ${remedy.not_before}`;
    case 'limit':
      return `waiting until ${remedy.resets_at}, or using less`;
    case 'delegation':
      return `a delegation, which the user gives${remedy.delegate_url === undefined ? '' : ` at ${remedy.delegate_url}`}`;
    case 'token':
      return 'a token that holds; where a proof of possession was missing or wrong, the same token with its proof';
  }
}
