/** The tasks of an access request, as the caller that made it finds and reads them. */
import { formatCallerId, type Caller } from '../model/question.js';
import type { Service } from '../service/service.js';
import type { OpenedTasks } from '../store/open-tasks.js';
import { findBundle, type StoredBundle } from '../store/request-bundles.js';
import type { StoredTask } from '../store/stored-task.js';
import { toBundleAnswer, toTaskAnswer, type TaskAnswerJson, type TaskJsonContext } from './access-request-json.js';
import { AccessRequestProblem } from './edge/access-request-problem.js';
import { findTaskTitle } from './task-title.js';

/** A task, or several that were asked for together. */
export type RequestedTasks =
  { readonly task: StoredTask } | { readonly bundle: StoredBundle; readonly tasks: readonly StoredTask[] };

/** Finds a task or bundle that the caller itself asked for. @throws Fault */
export async function findRequestedTasks(
  { approvals, database }: Pick<Service, 'approvals' | 'database'>,
  caller: Caller,
  id: string,
): Promise<RequestedTasks | undefined> {
  const task = await approvals.find(id);
  if (task !== undefined) return isOwnRequest(caller, task.requester, task.user?.id) ? { task } : undefined;
  const bundle = await findBundle(database, id);
  if (bundle === undefined || !isOwnRequest(caller, bundle.requester, bundle.user === '' ? undefined : bundle.user))
    return undefined;
  return { bundle, tasks: await approvals.findAll(bundle.items.map((item) => item.task)) };
}

/** @throws AccessRequestProblem where there is none of this caller; Fault */
export async function requireRequestedTasks(
  service: Pick<Service, 'approvals' | 'database'>,
  caller: Caller,
  id: string,
): Promise<RequestedTasks> {
  const found = await findRequestedTasks(service, caller, id);
  if (found === undefined) throw new AccessRequestProblem('unknown_task', 'There is no such task of this caller.');
  return found;
}

export function toRequestedTasks({ tasks, bundle }: Extract<OpenedTasks, { kind: 'opened' }>): RequestedTasks {
  if (bundle !== undefined) return { bundle, tasks };
  const [task] = tasks;
  if (task === undefined) throw new TypeError('a request without a question');
  return { task };
}

export function toRequestAnswer(
  requested: RequestedTasks,
  { signing, activePolicies, now: readClock }: Pick<Service, 'signing' | 'activePolicies' | 'now'>,
  baseUrl: string,
): Promise<TaskAnswerJson> {
  const now = readClock();
  const context: TaskJsonContext = {
    now,
    baseUrl,
    sign: (approval) => signing.signApprovalState(approval, baseUrl, now),
    titleOf: ({ question }) => findTaskTitle(question, activePolicies.rules),
  };
  if ('task' in requested) return toTaskAnswer(requested.task, context);
  return toBundleAnswer(requested.bundle, new Map(requested.tasks.map((task) => [task.id, task])), context);
}

/** Whether the caller asked for it: an agent with a token for the same user. */
function isOwnRequest(caller: Caller, requester: string, user: string | undefined): boolean {
  return formatCallerId(caller) === requester && (caller.kind === 'client' || caller.user === user);
}
