/** Opens the tasks of an access request: what is asked for must be what was denied, and lift it, and people must be able to read it. */
import { listBoundNames } from '../decide/approval-binding.js';
import { describeShownQuestion } from '../decide/shown-question.js';
import type { AuthorizationDetail } from '../model/acting.js';
import { BadRequest, Fault } from '../model/faults.js';
import { formatCallerId, type Caller } from '../model/question.js';
import type { Rules } from '../policy/load.js';
import { formatStatedJson } from '../runtime/canonical-json.js';
import { sha256 } from '../runtime/sha256.js';
import type { Service } from '../service/service.js';
import type { TaskOpening } from '../store/asked-questions.js';
import type { RequestOpening } from '../store/insert-tasks.js';
import { openTasks, type OpenedTasks } from '../store/open-tasks.js';
import { findEarlierRequest, type RequestRepeat } from '../store/request-bundles.js';
import type { AskedTask } from '../store/stored-task.js';
import type { AccessRequestBody } from './access-request-json.js';
import { widenToClass } from './class-opening.js';
import { findDenial, requireProvenActor, requireSameQuestion, type RequestableDenial } from './denied-question.js';
import { AccessRequestProblem } from './edge/access-request-problem.js';
import { readRequestedClass } from './requested-class.js';
import { joinItemPlace, listRequestedItems, type RequestedItem } from './requested-questions.js';
import { findRequestedTasks, toRequestedTasks, type RequestedTasks } from './requested-tasks.js';

const DENIED_LATELY =
  'The same was denied by an approver a short while ago. What policies don’t read makes no other question of it, and a class that has questions in common with one that was denied is denied with it.';

/** The class of questions that is asked for; undefined where it is the one question. */
type ClassDetails = readonly AuthorizationDetail[] | undefined;

/** The most often that a request for a class is held against others that come at the same time. */
const MAX_ATTEMPTS = 10;

/**
 * Opens the tasks of a request, or finds those that are open, or those of the same request before.
 * @param key the caller's `Idempotency-Key`
 * @throws BadRequest, AccessRequestProblem, Fault
 */
export async function openAccessRequest(
  service: Service,
  caller: Caller,
  body: AccessRequestBody,
  key: string | undefined,
): Promise<RequestedTasks | 'too_many'> {
  const repeat =
    key === undefined ? undefined : { key: scopeRequestKey(caller, key), bodySha256: sha256(formatStatedJson(body)) };
  return (await findRepeated(service, caller, repeat)) ?? (await openNew(service, caller, body, repeat));
}

async function openNew(
  service: Service,
  caller: Caller,
  body: AccessRequestBody,
  repeat: RequestRepeat | undefined,
): Promise<RequestedTasks | 'too_many'> {
  const items = listRequestedItems(body);
  const asked: { readonly opening: TaskOpening; readonly details: ClassDetails }[] = [];
  for (const item of items) {
    const denial = await findDenial(service, caller, item.denial, joinItemPlace(item.at, 'denial'));
    requireSameQuestion(denial, item.question, item.at);
    requireProvenActor(denial, body.client?.actor);
    const { user, agent } = denial;
    const details = await readRequestedClass(service, caller, denial, item);
    const opening = { user, agent, task: describeTask(denial, item, service.now(), service.activePolicies.rules) };
    asked.push({ opening, details });
  }
  const requester = formatCallerId(caller);
  const bundle =
    body.items === undefined
      ? undefined
      : { user: asked[0]?.opening.user?.id ?? '', items: items.map(({ stated }) => stated) };
  const opened = await openTogether(service, asked, { requester, repeat, bundle });
  switch (opened.kind) {
    case 'opened':
      return toRequestedTasks(opened);
    case 'too_many':
      return 'too_many';
    case 'cooling_down':
      throw new AccessRequestProblem('not_requestable', DENIED_LATELY, items[opened.index]?.at);
    case 'other_body':
      throw createDuplicateProblem();
    case 'repeated':
      // Another request with the same key was faster.
      return (await findRepeated(service, caller, repeat)) ?? 'too_many';
  }
}

/**
 * Opens the tasks. Which classes of questions are the same is told from what was asked for and denied until then; where a person has
 * said no meanwhile, or others have asked, it is told once more.
 * @throws Fault
 */
async function openTogether(
  service: Service,
  asked: readonly { readonly opening: TaskOpening; readonly details: ClassDetails }[],
  request: Omit<RequestOpening, 'openings' | 'expires'>,
): Promise<Exclude<OpenedTasks, { readonly kind: 'outdated' }>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const openings: TaskOpening[] = [];
    for (const { opening, details } of asked)
      openings.push(details === undefined ? opening : await widenToClass(service, opening, details, openings));
    const now = service.now();
    const expires = new Date(now.getTime() + service.config.approvals.waitingMs);
    const opened = await openTasks(service.database, { ...request, openings, expires }, service.config.approvals, now);
    if (opened.kind !== 'outdated') return opened;
  }
  throw new Fault('overloaded', 'access requests for classes of questions');
}

async function findRepeated(
  service: Service,
  caller: Caller,
  repeat: RequestRepeat | undefined,
): Promise<RequestedTasks | undefined> {
  if (repeat === undefined) return undefined;
  const earlier = await findEarlierRequest(service.database, { requester: formatCallerId(caller), key: repeat.key });
  if (earlier === undefined) return undefined;
  if (earlier.bodySha256 !== repeat.bodySha256) throw createDuplicateProblem();
  return findRequestedTasks(service, caller, earlier.task ?? earlier.bundle ?? '');
}

/** The keys of one agent's requests for several users are apart. */
function scopeRequestKey(caller: Caller, key: string): string {
  return caller.kind === 'agent' ? JSON.stringify([caller.user ?? null, key]) : key;
}

function createDuplicateProblem(): AccessRequestProblem {
  return new AccessRequestProblem(
    'duplicate_request',
    'The Idempotency-Key was used for another request.',
    'Idempotency-Key',
  );
}

/** @throws BadRequest, AccessRequestProblem */
function describeTask(
  { record, offer, chain }: RequestableDenial,
  item: RequestedItem,
  now: Date,
  { vocabulary }: Pick<Rules, 'vocabulary'>,
): AskedTask {
  const { question, requested, at } = item;
  const { requested_until: until, emergency = false } = requested;
  if (until !== undefined && Date.parse(until) <= now.getTime())
    throw new BadRequest('must lie in the future', joinItemPlace(at, 'requested_access.requested_until'));
  if (emergency && offer.emergency === undefined) {
    const names = vocabulary.find(question.action.name, question.resource.type)?.action.emergency !== undefined;
    throw new BadRequest(
      names
        ? 'would not lift this deny: the policies that deny it take no approval in an emergency'
        : 'is for actions that name who may answer in an emergency (@emergency)',
      joinItemPlace(at, 'requested_access.emergency'),
    );
  }
  const shown = describeShownQuestion(question, listBoundNames(offer.binding));
  // A denial of before can offer what is no longer asked.
  if (shown === undefined)
    throw new AccessRequestProblem('not_requestable', 'The question is too long for people to read.', at);
  return {
    binding: offer.binding,
    steps: offer.steps,
    ...(emergency ? { emergency: offer.emergency } : {}),
    question: shown,
    chain,
    denial: record.id,
    ...(offer.question_sha256 === undefined ? {} : { question_sha256: offer.question_sha256 }),
    ...(until === undefined ? {} : { requested_until: new Date(until).toISOString() }),
  };
}
