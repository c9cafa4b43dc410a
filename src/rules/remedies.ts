/** `@remedy` on a forbid: what would turn its deny into an allow. */
import { ConfigError } from '../model/faults.js';
import { nameProblem } from '../model/relationships.js';

export type Remedy =
  | { readonly type: 'consent' }
  | { readonly type: 'approval'; readonly permission: string }
  | { readonly type: 'step_up'; readonly acr: string }
  /** A token with this scope; never written by hand, it comes of `scope_insufficient`. */
  | { readonly type: 'scope'; readonly scope: string };

/** @throws ConfigError unless each is `consent`, `approval:<permission>` or `step_up:<acr>`; several by commas */
export function parseRemedies(text: string | undefined, source: string): Remedy[] {
  if (text === undefined) return [];
  return text.split(',').map((part): Remedy => {
    const [type = '', ...rest] = part.trim().split(':');
    const argument = rest.join(':').trim();
    if (type === 'consent' && rest.length === 0) return { type };
    if (type === 'approval' && nameProblem(argument) === undefined) return { type, permission: argument };
    if (type === 'step_up' && argument !== '') return { type, acr: argument };
    throw new ConfigError(`@remedy "${part.trim()}" must be consent, approval:<permission> or step_up:<acr>`, source);
  });
}
