/** Opens one task, as an access request for one question does. */
import { changeRecordsOf } from './record-values.js';
import { ApprovalStore } from '../../src/store/approvals.js';
import { type StoredTask } from '../../src/store/stored-task.js';
import type { TaskOpening } from '../../src/store/asked-questions.js';
import type { Database } from '../../src/store/database/port.js';
import type { OpeningBounds, RequestOpening } from '../../src/store/insert-tasks.js';
import { openTasks, type OpenedTasks } from '../../src/store/open-tasks.js';
import { ReadBatch } from '../../src/store/read-batch.js';
import { findEarlierRequest } from '../../src/store/request-bundles.js';

export type SingleOpening = TaskOpening & Pick<RequestOpening, 'requester' | 'expires' | 'repeat'>;
export type OpenedTask =
  { readonly kind: 'task'; readonly task: StoredTask } | Exclude<OpenedTasks, { readonly kind: 'opened' | 'repeated' }>;

/** A key that was used before finds its task, as the route does. */
export async function openTask(
  database: Database,
  { requester, expires, repeat, ...opening }: SingleOpening,
  bounds: OpeningBounds,
  now: Date,
): Promise<OpenedTask> {
  const opened = await openTasks(database, { requester, expires, repeat, openings: [opening] }, bounds, now);
  if (opened.kind !== 'opened' && opened.kind !== 'repeated') return opened;
  const store = new ApprovalStore(
    database,
    changeRecordsOf(database),
    new ReadBatch(database),
    () => Promise.resolve(true),
    60_000,
    3_600_000,
  );
  const earlier =
    opened.kind === 'repeated' ? await findEarlierRequest(database, { requester, key: repeat?.key ?? '' }) : undefined;
  const task = opened.kind === 'opened' ? opened.tasks[0] : await store.find(earlier?.task ?? '');
  if (task === undefined) throw new Error('no task');
  return { kind: 'task', task };
}
