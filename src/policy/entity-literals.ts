/**
 * Entities in the text of policies. Ids are held to one form everywhere else, so a policy that names one in another form
 * would match nothing: a forbid would forbid nothing.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { findIdProblem } from '../model/ids.js';
import { listNodes } from './expressions.js';

/** Describes each entity that no question, relationship or entity can name. */
export function findUnusableEntities({ principal, resource, conditions }: PolicyJson): string[] {
  const problems = new Set<string>();
  for (const node of listNodes([principal, resource, conditions])) {
    const { type, id } = node as { readonly type?: unknown; readonly id?: unknown };
    const problem = typeof type === 'string' && typeof id === 'string' ? findIdProblem(id) : undefined;
    if (problem !== undefined) problems.add(`the id of ${String(type)}::${JSON.stringify(id).slice(0, 80)} ${problem}`);
  }
  return [...problems];
}
