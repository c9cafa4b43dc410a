/** Remedies, which would turn a deny into an allow: those of `@remedy` on a forbid, and those of a token that falls short. */
import type { Reason, ReasonCode } from '../model/reasons.js';
import { findRelationNameProblem } from '../model/relationships.js';
import type { Problem } from '../diagnostics/diagnostics.js';
import { trimBlanks } from '../runtime/trim-blanks.js';
import type { Remedy } from '../model/remedies.js';

/**
 * Reads `@remedy`: `consent`, `approval:<permission>` or `step_up:<acr>`, several by commas.
 * @param report receives what is wrong with an entry, which is then left out
 */
export function parseRemedies(text: string | undefined, report: (problem: Problem) => void): Remedy[] {
  if (text === undefined) return [];
  return text.split(',').flatMap((part): Remedy | [] => {
    const [type = '', ...rest] = trimBlanks(part).split(':');
    const argument = trimBlanks(rest.join(':'));
    if (type === 'consent' && rest.length === 0) return { type };
    if (type === 'approval' && findRelationNameProblem(argument) === undefined) return { type, permission: argument };
    // A client asks for it as one of `acr_values`, which spaces separate.
    if (type === 'step_up' && /^\S+$/.test(argument)) return { type, acr: argument };
    report({ message: `@remedy "${trimBlanks(part)}" must be consent, approval:<permission> or step_up:<acr>` });
    return [];
  });
}

/** @param scopes all scopes that are missing, so that one new token is enough */
export function scopeRemedy(scopes: readonly string[]): Remedy {
  const scope = scopes.join(' ');
  return { type: 'scope', scope, challenge: `Bearer error="insufficient_scope", scope="${scope}"` };
}

/** The remedies of a token that isn't accepted: another one, or the same once it has begun to hold. */
export function tokenRemedies({ code, not_before }: Pick<Reason, 'code' | 'not_before'>): Remedy[] {
  return [
    ...(not_before === undefined ? [] : [{ type: 'time' as const, not_before }]),
    { type: 'token', challenge: buildChallenge(code) },
  ];
}

/**
 * The remedies of limits that were reached: waiting, where that helps with all of them. More than one may be reached, and
 * each says what is left of it.
 */
export function limitRemedies(reasons: readonly Reason[]): Remedy[] {
  const waits = reasons.flatMap(({ resets_at, required, remaining }) =>
    resets_at === undefined ? [] : [{ type: 'limit' as const, required, remaining, resets_at }],
  );
  return waits.length === reasons.length ? waits : [];
}

/** The remedies as an agent is told them, which isn't told how much is left of limits. */
export function tellAgentRemedies(remedies: readonly Remedy[]): Remedy[] {
  const resets = remedies.flatMap((remedy) => (remedy.type === 'limit' ? [remedy.resets_at] : [])).sort();
  const latest = resets.at(-1);
  return [
    ...remedies.filter(({ type }) => type !== 'limit'),
    ...(latest === undefined ? [] : [{ type: 'limit' as const, resets_at: latest }]),
  ];
}

/** The challenge of RFC 6750 section 3 or RFC 9449 section 7.1. It says whether token or proof failed, and no more. */
export function buildChallenge(code: ReasonCode): string {
  if (code === 'token_missing') return 'Bearer';
  if (code.startsWith('proof_')) return 'DPoP error="invalid_dpop_proof"';
  return 'Bearer error="invalid_token"';
}
