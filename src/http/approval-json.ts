/** Tasks as those who may answer them read them, and how they are answered. */
import { z } from 'zod';
import { findApprovedAt, findElevationEnd } from '../govern/approvals/elevated-right.js';
import { findLatestEnd, findStepPermission, readTaskState } from '../govern/approvals/task-progress.js';
import type { ApprovalsConfig } from '../config/approvals.js';
import { readBoundAccess } from '../decide/approval-binding.js';
import { TASK_STATES } from '../model/approvals.js';
import { describeRef } from '../model/ids.js';
import { instantFormat } from '../runtime/instant-format.js';
import type { StoredTask } from '../store/stored-task.js';
import { detailSchema } from '../tokens/claims.js';
import { EXAMPLE_CLASS } from './access-request-json.js';
import { MAX_GRANTED_DETAILS } from './grant-terms.js';
import { nextPageFormat } from './page-token.js';
import { queryNumber } from './query-number.js';
import { shownDetailFormat } from './shown-formats.js';
import { findTaskTitle } from './task-title.js';
import type { Rules } from '../policy/load.js';

const MAX_TASKS = 100;
const DEFAULT_TASKS = 50;
const MAX_NOTE_LENGTH = 500;
const SCOPES = ['once', 'until'] as const;

export const approvalListQuery = z.strictObject({
  state: z.enum(TASK_STATES).default('pending').describe('`pending`: those that wait for an answer'),
  limit: queryNumber(1, MAX_TASKS, DEFAULT_TASKS),
  page_token: z.string().max(4096).optional().describe('`next_token` of the page before'),
});

const shownEntityFormat = z.object({ type: z.string(), id: z.string() });
const stepFormat = z.object({
  kind: z.enum(['permission', 'user', 'elevation']),
  permission: z.string().optional().describe('Its holders may answer; absent where only the user may'),
  gives: z
    .object({ relation: z.string(), resource: z.string(), to: z.string(), seconds: z.int(), until: z.string() })
    .optional()
    .describe(
      'The right that the user gets with it, and for how long at most; `until`: its end, or the latest that it can have now',
    ),
  by: z.string().optional().describe('Who has said yes'),
  at: z.string().optional(),
  note: z.string().optional(),
});
export const shownApprovalFormat = z
  .object({
    id: z.uuid(),
    state: z.enum(TASK_STATES),
    title: z.string().describe('What is to be done, as the schema has it'),
    user: z.string().optional(),
    agent: z.string().optional(),
    access: z
      .enum(['online', 'background'])
      .optional()
      .describe('Where your own yes is asked for: to what the agent does while you are there, or in the background'),
    chain: z.array(z.string()).describe('The agents that passed it on, the last one first'),
    requester: z.string().describe('The client that asked, or the agent itself'),
    subject: shownEntityFormat,
    action: z.object({ name: z.string(), properties: z.looseObject({}) }),
    resource: shownEntityFormat.extend({ properties: z.looseObject({}) }),
    context: z.looseObject({}).describe('What else decides, and is part of what is approved'),
    details: z
      .array(shownDetailFormat)
      .optional()
      .describe('A class of questions that is asked for, in place of the one: all that one of these covers'),
    steps: z.array(stepFormat),
    may_answer: z.boolean().describe('Whether the reader may say yes to a step that lacks one'),
    emergency: z.boolean(),
    requested_until: z.string().optional(),
    latest_until: z
      .string()
      .optional()
      .describe(
        'The latest end that an approval for more than one use can have now; absent where none can be: the user is asked each time',
      ),
    asked_at: z.string(),
    expires_at: z.string().describe('When it can’t be answered any more'),
    decided_at: z.string().optional(),
    scope: z.enum(SCOPES).optional(),
    approved_until: z.string().optional(),
    used: z.boolean().optional().describe('Whether its single use has been made'),
    denied: z.object({ by: z.string(), at: z.string(), note: z.string().optional() }).optional(),
  })
  .meta({
    id: 'Approval',
    examples: [
      {
        id: '9d3c1f0a-5a44-4d0e-b3a9-0a4c2f5f7a10',
        state: 'pending',
        title: 'Merge a pull request',
        user: 'user:ann',
        agent: 'agent:helper',
        chain: [],
        requester: 'git-api',
        subject: { type: 'user', id: 'ann' },
        action: { name: 'merge', properties: { branch: 'main' } },
        resource: { type: 'repository', id: 'api', properties: {} },
        context: {},
        steps: [{ kind: 'permission', permission: 'administer' }],
        may_answer: true,
        emergency: false,
        asked_at: '2030-03-04T10:00:00.000Z',
        expires_at: '2030-03-05T10:00:00.000Z',
      },
    ],
  });
export type ApprovalJson = z.infer<typeof shownApprovalFormat>;
export const approvalListFormat = z
  .object({ page: nextPageFormat, results: z.array(shownApprovalFormat) })
  .meta({ id: 'ApprovalList' });

export const approvalParams = z.object({ id: z.string().max(64) });

export const approvalDecisionBody = z
  .strictObject({
    decision: z.enum(['approve', 'deny']),
    scope: z
      .enum(SCOPES)
      .default('once')
      .describe('`once`: one use, which is all that a user’s own yes can be for; `until`: any number until its end'),
    until: instantFormat.optional().describe('Of scope `until`: its end; absent: the one that was asked for'),
    details: z
      .array(detailSchema)
      .min(1)
      .max(MAX_GRANTED_DETAILS)
      .optional()
      .describe('Where a class of questions is asked for: the part of it that is approved; absent: all of it'),
    note: z
      .string()
      .max(MAX_NOTE_LENGTH)
      .regex(/^\P{Cc}*$/u, 'must not contain control characters')
      .optional(),
  })
  .refine(({ scope, until }) => until === undefined || scope === 'until', {
    message: 'is for the scope "until"',
    path: ['until'],
  })
  .refine(({ decision, details }) => details === undefined || decision === 'approve', {
    message: 'is for approving: a no is to the whole',
    path: ['details'],
  })
  .meta({
    id: 'ApprovalDecision',
    examples: [
      { decision: 'approve', scope: 'once', note: 'Reviewed with Ann.' },
      { decision: 'approve', scope: 'until', until: '2030-03-04T12:00:00Z', details: [EXAMPLE_CLASS] },
    ],
  });
export type ApprovalDecisionBody = z.infer<typeof approvalDecisionBody>;

/** @param answerable the open steps that the reader may answer */
export function toApprovalJson(
  task: StoredTask,
  answerable: readonly number[],
  { now, rules, terms }: { readonly now: Date; readonly rules: Rules; readonly terms: ApprovalsConfig },
): ApprovalJson {
  const { user, agent, question, details, decided, denied, requested_until: requested, approved_until: until } = task;
  const state = readTaskState(task, now);
  const access = readBoundAccess(task.binding);
  return {
    id: task.id,
    state,
    title: findTaskTitle(question, rules),
    ...(user === undefined ? {} : { user: describeRef(user) }),
    ...(agent === undefined ? {} : { agent: describeRef(agent) }),
    ...(access === undefined ? {} : { access }),
    chain: task.chain.map(describeRef),
    requester: task.requester,
    subject: question.subject,
    action: { name: question.action.name, properties: { ...question.action.properties } },
    resource: { ...question.resource, properties: { ...question.resource.properties } },
    context: { ...question.context },
    ...(details === undefined ? {} : { details: details.map((detail) => ({ ...detail })) }),
    steps: task.steps.map((_, index) => toStepJson(task, index, now)),
    may_answer: state === 'pending' && answerable.length > 0,
    emergency: task.emergency !== undefined,
    ...(requested === undefined ? {} : { requested_until: requested }),
    ...(state === 'pending' && !task.steps.some(({ kind }) => kind === 'user')
      ? { latest_until: findLatestEnd(task, 'until', now, terms).toISOString() }
      : {}),
    asked_at: task.asked,
    expires_at: task.expires,
    ...(decided === undefined ? {} : { decided_at: decided }),
    ...(until === undefined ? {} : { scope: task.scope, approved_until: until, used: task.used_by !== undefined }),
    ...(denied === undefined
      ? {}
      : {
          denied: {
            by: describeRef(denied.by),
            at: denied.at,
            ...(denied.note === undefined ? {} : { note: denied.note }),
          },
        }),
  };
}

function toStepJson(task: StoredTask, index: number, now: Date): z.infer<typeof stepFormat> {
  const step = task.steps[index];
  if (step === undefined) throw new TypeError(`there is no step ${index}`);
  const answer = task.answers.find((one) => one.step === index);
  const permission = findStepPermission(step, task);
  const { resource } = task.question;
  const isOpen = task.state === 'pending' || task.answers.length === 0;
  const approvedAt = isOpen ? now.getTime() : findApprovedAt(task.answers);
  return {
    kind: step.kind,
    ...(permission === undefined ? {} : { permission }),
    ...(step.kind === 'elevation' && task.user !== undefined
      ? {
          gives: {
            relation: step.relation,
            resource: describeRef(resource),
            to: describeRef(task.user),
            seconds: step.seconds,
            until: new Date(findElevationEnd(task, step.seconds, approvedAt)).toISOString(),
          },
        }
      : {}),
    ...(answer === undefined ? {} : { by: describeRef(answer.by), at: answer.at }),
    ...(answer?.note === undefined ? {} : { note: answer.note }),
  };
}
