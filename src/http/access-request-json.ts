/** Access requests and their tasks in the JSON of AuthZEN's access request and approval profile (draft 1). */
import { z } from 'zod';
import { listOpenSteps, readTaskState } from '../govern/approvals/task-progress.js';
import { detailSchema } from '../tokens/claims.js';
import { MAX_TOKEN_BYTES } from '../tokens/jws.js';
import { instantFormat } from '../runtime/instant-format.js';
import type { StoredTask } from '../store/stored-task.js';
import type { BundleItem } from '../store/request-bundles.js';
import { MAX_GRANTED_DETAILS } from './grant-terms.js';
import { submittedActionFormat, submittedResourceFormat } from './shown-formats.js';
import { actionFormat, idFormat, nameFormat, resourceFormat, subjectFormat } from './authzen-formats.js';

/** The questions that one request can be for. */
export const MAX_REQUEST_ITEMS = 20;
const EXAMPLE_TASK = '9d3c1f0a-5a44-4d0e-b3a9-0a4c2f5f7a10';
const EXAMPLE_TASK_URL = `http://127.0.0.1:7480/access/v1/requests/${EXAMPLE_TASK}`;
/** A class of questions. */
export const EXAMPLE_CLASS = {
  type: 'remit',
  actions: ['merge'],
  resources: ['repository:api'],
  constraints: { 'action.branch': { prefix: 'release-' } },
};
const EXAMPLE_UNTIL = '2030-03-04T10:15:00.000Z';

const denialFormat = z
  .looseObject({
    evaluation_id: z.string().max(128).optional().describe('Of the denial; this or the token is needed'),
    binding_token: z.string().min(1).max(MAX_TOKEN_BYTES).optional(),
    expires_at: instantFormat.describe('As the denial said'),
    evaluated_at: instantFormat.optional(),
  })
  .meta({ id: 'Denial' });
export type SubmittedDenial = z.infer<typeof denialFormat>;

const requestedAccessFormat = z.looseObject({
  requested_until: instantFormat.optional().describe('How long the approval is wanted for'),
  emergency: z.boolean().optional().describe('Goes to those who may answer in an emergency'),
  details: z
    .array(detailSchema)
    .min(1)
    .max(MAX_GRANTED_DETAILS)
    .optional()
    .describe(
      'Asks for a class of questions, in place of the one that was denied: all that one of these covers, and it is one of them',
    ),
});
export type RequestedAccess = z.infer<typeof requestedAccessFormat>;

export interface SubmittedActor {
  readonly id: string;
  readonly issuer?: string | undefined;
  readonly type?: string | undefined;
  readonly act?: SubmittedActor | undefined;
}
// Only a component has a name by which it can be within itself.
const actorFormat: z.ZodType<SubmittedActor> = z
  .looseObject({
    id: idFormat,
    issuer: z.string().max(2048).optional(),
    type: nameFormat.optional(),
    get act() {
      return actorFormat.optional();
    },
  })
  .meta({ id: 'Actor' });

const requestItemFormat = z.looseObject({
  resource: resourceFormat,
  action: actionFormat,
  denial: denialFormat.optional(),
  requested_access: requestedAccessFormat.optional(),
});
export type SubmittedItem = z.infer<typeof requestItemFormat>;
export const accessRequestBody = z
  .looseObject({
    subject: subjectFormat,
    resource: resourceFormat.optional(),
    action: actionFormat.optional(),
    items: z
      .array(requestItemFormat)
      .min(1)
      .max(MAX_REQUEST_ITEMS)
      .optional()
      .describe('Several questions at once, each with its own denial, in place of resource, action and denial'),
    context: z.record(z.string(), z.unknown()).optional().describe('That of the question; more may be added'),
    denial: denialFormat.optional(),
    requested_access: requestedAccessFormat.optional(),
    callback: z
      .looseObject({ endpoint: z.string().max(2048), state: z.string().max(1024).optional() })
      .optional()
      .describe('One of the URLs that the client’s configuration names'),
    client: z.looseObject({ actor: actorFormat.optional() }).optional(),
  })
  .meta({
    id: 'AccessRequest',
    examples: [
      {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'merge', properties: { branch: 'main' } },
        resource: { type: 'repository', id: 'api' },
        denial: { evaluation_id: EXAMPLE_TASK, expires_at: EXAMPLE_UNTIL },
      },
      {
        subject: { type: 'user', id: 'ann' },
        action: { name: 'merge', properties: { branch: 'release-1' } },
        resource: { type: 'repository', id: 'api' },
        denial: { evaluation_id: EXAMPLE_TASK, expires_at: EXAMPLE_UNTIL },
        requested_access: { requested_until: '2030-03-04T12:00:00Z', details: [EXAMPLE_CLASS] },
      },
    ],
  });
export type AccessRequestBody = z.infer<typeof accessRequestBody>;

const TASK_STATUSES = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'failed', 'partial'] as const;
type TaskStatus = (typeof TASK_STATUSES)[number];

const resultFormat = z.object({
  mode: z.literal('reevaluate').describe('Ask the same question again, with this `approval` as `context.approval`'),
  approval: z.object({
    id: z.string(),
    approved_at: z.string().optional(),
    approved_until: z.string(),
    state: z.string().optional().describe('Signed; keys are at the metadata’s `jwks_uri`'),
  }),
});
const taskFormat = z.object({
  id: z.uuid(),
  status: z.enum(TASK_STATUSES),
  status_endpoint: z.string(),
  expires_at: z.string().optional(),
  progress: z.object({ current_step: z.int(), total_steps: z.int() }).optional(),
  display: z.object({ title: z.string() }).optional(),
  links: z.record(z.string(), z.string()).optional(),
  items: z
    .array(
      z.object({
        resource: submittedResourceFormat,
        action: submittedActionFormat,
        status: z.enum(TASK_STATUSES),
        result: resultFormat.optional(),
      }),
    )
    .optional(),
});
export const taskAnswerFormat = z.object({ task: taskFormat, result: resultFormat.optional() }).meta({
  id: 'AccessRequestTask',
  examples: [
    {
      task: {
        id: EXAMPLE_TASK,
        status: 'approved',
        status_endpoint: EXAMPLE_TASK_URL,
        expires_at: EXAMPLE_UNTIL,
        progress: { current_step: 1, total_steps: 1 },
        display: { title: 'Merge a pull request' },
      },
      result: { mode: 'reevaluate', approval: { id: EXAMPLE_TASK, approved_until: EXAMPLE_UNTIL } },
    },
  ],
});
export type TaskAnswerJson = z.infer<typeof taskAnswerFormat>;
type ResultJson = z.infer<typeof resultFormat>;

export const cancelBody = z
  .looseObject({ reason: z.string().max(128).optional(), comment: z.string().max(2000).optional() })
  .nullish()
  .meta({ id: 'AccessRequestCancellation', examples: [{ reason: 'no_longer_needed' }] });

export interface TaskJsonContext {
  readonly now: Date;
  readonly baseUrl: string;
  readonly sign: (approval: { readonly id: string; readonly approvedUntil: string }) => Promise<string>;
  /** The title of an action on a type of resource. */
  readonly titleOf: (task: StoredTask) => string;
}

/** An approval that was ended had been given: a task makes one transition only, and using it is denied. */
export function toTaskStatus(task: StoredTask, now: Date): TaskStatus {
  const state = readTaskState(task, now);
  return state === 'revoked' ? 'approved' : state;
}

export async function toTaskAnswer(task: StoredTask, context: TaskJsonContext): Promise<TaskAnswerJson> {
  const { id, steps, expires } = task;
  const status = toTaskStatus(task, context.now);
  const url = `${context.baseUrl}/access/v1/requests/${id}`;
  const done = steps.length - listOpenSteps(task).length;
  const result = await toApprovalResult(task, context);
  return {
    task: {
      id,
      status,
      status_endpoint: url,
      expires_at: expires,
      progress: { current_step: Math.min(done + 1, steps.length), total_steps: steps.length },
      display: { title: context.titleOf(task) },
      ...(status === 'pending'
        ? { links: { review: `${context.baseUrl}/v1/approvals/${id}`, cancel: `${url}/cancel` } }
        : {}),
    },
    ...(result === undefined ? {} : { result }),
  };
}

/** @param tasks those of the items, by their ids; one that is gone has expired */
export async function toBundleAnswer(
  { id, items }: { readonly id: string; readonly items: readonly BundleItem[] },
  tasks: ReadonlyMap<string, StoredTask>,
  context: TaskJsonContext,
): Promise<TaskAnswerJson> {
  const answered = await Promise.all(
    items.map(async ({ resource, action, task: taskId }) => {
      const task = tasks.get(taskId);
      const result = task === undefined ? undefined : await toApprovalResult(task, context);
      const status = task === undefined ? 'expired' : toTaskStatus(task, context.now);
      return { resource, action, status, ...(result === undefined ? {} : { result }) };
    }),
  );
  const statuses = [...new Set(answered.map(({ status }) => status))];
  const [only = 'failed'] = statuses;
  const status = statuses.includes('pending') ? 'pending' : statuses.length > 1 ? 'partial' : only;
  const url = `${context.baseUrl}/access/v1/requests/${id}`;
  const links = status === 'pending' ? { links: { cancel: `${url}/cancel` } } : {};
  return { task: { id, status, status_endpoint: url, ...links, items: answered } };
}

async function toApprovalResult(task: StoredTask, { sign }: TaskJsonContext): Promise<ResultJson | undefined> {
  const { id, approved_until: until, decided } = task;
  if (until === undefined || (task.state !== 'approved' && task.state !== 'revoked')) return undefined;
  const approvedAt = task.answers.at(-1)?.at ?? decided;
  return {
    mode: 'reevaluate',
    approval: {
      id,
      ...(approvedAt === undefined ? {} : { approved_at: approvedAt }),
      approved_until: until,
      state: await sign({ id, approvedUntil: until }),
    },
  };
}
