/** The questions of an access request: one, or several as items, each with the denial that it is for. */
import type { SubmittedQuestion } from '../decide/submitted-question.js';
import { BadRequest } from '../model/faults.js';
import { omitNulls, type Caller } from '../model/question.js';
import type { AccessRequestBody, RequestedAccess, SubmittedDenial, SubmittedItem } from './access-request-json.js';

/** One question of a request, with the denial that it is for. */
export interface RequestedItem {
  readonly at: string;
  readonly question: SubmittedQuestion;
  readonly denial: SubmittedDenial | undefined;
  readonly requested: RequestedAccess;
  /** The same as it was submitted. */
  readonly stated: Required<Pick<SubmittedItem, 'resource' | 'action'>>;
}

/** @throws BadRequest where the request names another URL than its client's configuration */
export function checkCallback({ callback }: AccessRequestBody, caller: Caller): void {
  if (callback === undefined) return;
  const allowed = caller.kind === 'client' ? (caller.client.callbacks ?? []) : [];
  if (!allowed.includes(callback.endpoint))
    throw new BadRequest('is none of the "callbacks" that the client’s configuration names', 'callback.endpoint');
}

/** @throws BadRequest where the request is for no question, or in two ways */
export function listRequestedItems(body: AccessRequestBody): RequestedItem[] {
  const { subject, resource, action, items, context = {}, denial, requested_access: requested = {} } = body;
  const toItem = (
    at: string,
    stated: RequestedItem['stated'],
    own: Pick<RequestedItem, 'denial' | 'requested'>,
  ): RequestedItem => ({
    at,
    stated,
    ...own,
    question: {
      subject: { ...subject, properties: omitNulls(subject.properties ?? {}) },
      action: { name: stated.action.name, properties: omitNulls(stated.action.properties ?? {}) },
      resource: { ...stated.resource, properties: omitNulls(stated.resource.properties ?? {}) },
      context: omitNulls(context),
    },
  });
  if (items === undefined) {
    if (resource === undefined) throw new BadRequest('is required', 'resource');
    if (action === undefined) throw new BadRequest('is required', 'action');
    return [toItem('', { resource, action }, { denial, requested })];
  }
  for (const [name, value] of Object.entries({ resource, action, denial }))
    if (value !== undefined) throw new BadRequest('can not stand beside "items": each item has its own', name);
  return items.map((item, i) =>
    toItem(
      `items[${i}]`,
      { resource: item.resource, action: item.action },
      { denial: item.denial, requested: { ...requested, ...item.requested_access } },
    ),
  );
}

/** The place of a member of an item in the request; empty for the request itself. */
export function joinItemPlace(at: string, member: string): string {
  return at === '' ? member : `${at}.${member}`;
}
