/**
 * Entities in the text of policies. Ids are held to one form everywhere else, so a policy that names one in another form
 * would match nothing: a forbid would forbid nothing.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { findIdProblem } from '../model/ids.js';

/** Describes each entity that no question, relationship or entity can name. */
export function findUnusableEntities({ principal, resource, conditions }: PolicyJson): string[] {
  const problems = new Set<string>();
  // Without recursion: the depth of conditions is checked elsewhere.
  const pending: unknown[] = [principal, resource, conditions];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (typeof node !== 'object' || node === null) continue;
    const { type, id } = node as { readonly type?: unknown; readonly id?: unknown };
    const problem = typeof type === 'string' && typeof id === 'string' ? findIdProblem(id) : undefined;
    if (problem !== undefined) problems.add(`the id of ${String(type)}::${JSON.stringify(id).slice(0, 80)} ${problem}`);
    for (const member of Object.values(node) as unknown[])
      if (member !== null && member !== undefined) pending.push(member);
  }
  return [...problems];
}
