/** Checks the details of what a person grants: each must be understood and name what there is, so that no slip is granted. */
import { didYouMean } from '../diagnostics/suggest.js';
import { REMIT_DETAIL_TYPE, type AuthorizationDetail, type HeldResources } from '../model/acting.js';
import { BadRequest } from '../model/faults.js';
import { parseEncodedId } from '../model/ids.js';
import type { Rules } from '../policy/load.js';
import { findUnknownMember, listDetailResources } from '../tokens/authorization-details.js';
import { findConstraintFormProblem } from '../tokens/detail-constraints.js';
import { checkDetailSizes } from './detail-limits.js';

/** @throws BadRequest naming the member, below `place` */
export function checkRequestedDetails(details: readonly AuthorizationDetail[], rules: Rules, place: string): void {
  checkDetailSizes(details, place);
  for (const [i, detail] of details.entries()) checkDetail(detail, rules, `${place}[${i}]`);
}

/** Whether the details name an action that deletes, or of which the schema doesn't say that it doesn't. */
export function nameDeletion(details: readonly AuthorizationDetail[], { vocabulary }: Rules): boolean {
  const names = new Set(details.flatMap(({ actions = [] }) => actions));
  return vocabulary.actions.some(({ name, effect }) => effect === 'delete' && names.has(name));
}

function checkDetail(detail: AuthorizationDetail, rules: Rules, place: string): void {
  if (detail.type !== REMIT_DETAIL_TYPE) throw new BadRequest(`must be "${REMIT_DETAIL_TYPE}"`, `${place}.type`);
  const unknown = findUnknownMember(detail);
  if (unknown !== undefined) throw new BadRequest('is not understood', `${place}.${unknown}`);
  if (detail.actions === undefined || detail.actions.length === 0)
    throw new BadRequest('is required: the names of the actions that it is about', `${place}.actions`);
  const names = rules.vocabulary.actions.map(({ name }) => name);
  for (const [i, action] of detail.actions.entries())
    if (!names.includes(action))
      throw new BadRequest(`names no action of the schema${didYouMean(action, names)}`, `${place}.actions[${i}]`);
  for (const [i, type] of (detail.datatypes ?? []).entries())
    requireDefinition(type, rules, `${place}.datatypes[${i}]`);
  for (const [i, named] of listDetailResources(detail).entries())
    checkNamedResources(
      named,
      rules,
      Array.isArray(detail.resources) ? `${place}.resources[${i}]` : `${place}.resources`,
    );
  for (const [name, constraint] of Object.entries(detail.constraints ?? {})) {
    const problem = findConstraintFormProblem(constraint);
    if (problem !== undefined) throw new BadRequest(`can not hold: it${problem}`, `${place}.constraints.${name}`);
  }
}

function checkNamedResources(named: string | HeldResources, { graph }: Pick<Rules, 'graph'>, place: string): void {
  if (typeof named === 'string') {
    const [type = '', ...rest] = named.split(':');
    if (rest.length === 0) throw new BadRequest('must be of the form "document:plan" or "document:*"', place);
    requireDefinition(type, { graph }, place);
    const id = rest.join(':');
    try {
      if (id !== '*') parseEncodedId(id);
    } catch (error) {
      throw error instanceof TypeError ? new BadRequest(error.message, place) : error;
    }
    return;
  }
  requireDefinition(named.type, { graph }, `${place}.type`);
  if (!graph.hasMember(named.type, named.permission))
    throw new BadRequest(
      `is no permission of "${named.type}"${didYouMean(named.permission, graph.memberNames(named.type))}`,
      `${place}.permission`,
    );
}

function requireDefinition(type: string, { graph }: Pick<Rules, 'graph'>, place: string): void {
  if (graph.hasDefinition(type)) return;
  throw new BadRequest(`names no definition of the schema${didYouMean(type, graph.definitionNames())}`, place);
}
