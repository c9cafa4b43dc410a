/**
 * Decision records as people read them, in the API's JSON. What is shown is named, one by one: a member that is added to records
 * is shown to no user until it stands here. Attributes, facts, policies' sources and messages for operators never do.
 */
import { z } from 'zod';
import { MASKING_OBLIGATIONS } from '../lists/mask.js';
import { getRecordedActing, type DecisionRecord, type SearchRecord } from '../model/decision.js';
import { describeRef, type EntityRef } from '../model/ids.js';
import { REASONS, type Reason, type ReasonCode, type StepName } from '../model/reasons.js';
import type { StoredDecision } from '../store/stored-decision.js';
import { listedItemFormat, masksFormat, outcomeFormat } from './decision-record-json.js';
import { obligationFormat } from './answer-parts.js';

const actingFormat = z.object({
  mode: z.enum(['delegated', 'direct', 'human']).optional(),
  user: z.string().optional(),
  agent: z.string().optional(),
  chain: z.array(z.string()),
});

export const userDecisionFormat = z
  .object({
    id: z.uuid(),
    evaluated_at: z.string(),
    decision: z.boolean(),
    dry_run: z.boolean(),
    title: z.string().optional().describe('The title of the action'),
    action: z.string().optional(),
    resource: z.object({ type: z.string(), id: z.string().optional() }).optional(),
    task: z.string().optional(),
    acting: actingFormat.optional(),
    reasons: z
      .array(
        z.object({
          code: z.enum(Object.keys(REASONS) as ReasonCode[]),
          text: z.string(),
          policies: z.array(z.string()).optional().describe('The titles of the policies that forbid it'),
        }),
      )
      .optional()
      .describe('The reasons of the first failing step'),
    path: z.array(z.string()).optional().describe('The relationships by which the user holds the permission'),
    obligations: z.array(obligationFormat).optional(),
    search: z.enum(['resource', 'subject', 'action', 'filter', 'capabilities']).optional().describe('Of a list'),
    items: z.array(listedItemFormat).optional().describe('Of a list: what was returned'),
    masks: masksFormat.optional().describe('Of a list: what was masked, as `masked` of an item names it'),
    outcome: z
      .object({ outcome: outcomeFormat.shape.outcome, reported_at: z.string() })
      .optional()
      .describe('What was reported as really done'),
  })
  .meta({
    id: 'UserDecision',
    example: {
      id: '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60',
      evaluated_at: '2030-03-04T10:00:00.000Z',
      decision: true,
      dry_run: false,
      title: 'Read a document',
      action: 'read',
      resource: { type: 'document', id: 'plan' },
      acting: { mode: 'delegated', user: 'user:ann', agent: 'agent:notes-bot', chain: [] },
      path: ['document:plan#owner@user:ann'],
      obligations: [],
    },
  });
export type UserDecision = z.infer<typeof userDecisionFormat>;

/** Finds the title that the schema now has for an action. */
export type FindTitle = (action: string, resourceType: string) => string | undefined;
type DecisionOrList = DecisionRecord | SearchRecord;

/** The record of what was done for the user who reads it. */
export function toOwnDecision(
  record: DecisionOrList,
  outcome: StoredDecision['outcome'],
  findTitle: FindTitle,
): UserDecision {
  const { task } = record.request;
  return {
    ...describeAct(record, findTitle),
    ...(typeof task === 'string' ? { task } : {}),
    ...('rationale' in record
      ? { reasons: tellUserReasons(record), ...findOwnPath(record), obligations: selectMasks(record) }
      : { search: record.search, items: [...(record.items ?? [])], masks: copyMasks(record.masks) }),
    ...(outcome === undefined ? {} : { outcome: { outcome: outcome.outcome, reported_at: outcome.reported_at } }),
  };
}

/**
 * The record of what was done to one thing, for a person who may audit it: which agent did what for whom, and nothing of what
 * else a list was about.
 * @param resource as `type:id`
 * @returns undefined where the record is not about it
 */
export function toAuditedDecision(
  record: DecisionOrList,
  resource: string,
  findTitle: FindTitle,
): UserDecision | undefined {
  const act = describeAct(record, findTitle);
  const isAbout = act.resource?.id !== undefined && describeRef({ ...act.resource, id: act.resource.id }) === resource;
  if ('rationale' in record) {
    if (!isAbout) return undefined;
    const reasons = record.reasons.slice(0, 1).map(({ code }) => ({ code, text: REASONS[code].people }));
    return { ...act, reasons, obligations: selectMasks(record) };
  }
  const [item] = (record.items ?? []).filter((listed) => 'id' in listed && describeRef(listed) === resource);
  if (item === undefined || !('id' in item)) return isAbout ? { ...act, search: record.search } : undefined;
  const { resource: asked, ...others } = act;
  const { masked, ...shown } = item;
  const mask = masked === undefined ? undefined : record.masks?.[masked];
  return {
    ...others,
    ...(isAbout ? { resource: asked } : {}),
    search: record.search,
    items: [mask === undefined ? shown : { ...shown, masked: 0 }],
    masks: copyMasks(mask === undefined ? undefined : [mask]),
  };
}

function describeAct(record: DecisionOrList, findTitle: FindTitle): UserDecision {
  const { id, evaluated_at, decision, dry_run, request } = record;
  const acting = getRecordedActing(record);
  const stated = request as { readonly action?: string | { readonly name?: string }; readonly resource?: EntityRef };
  const action = typeof stated.action === 'string' ? stated.action : stated.action?.name;
  const { resource } = stated;
  const title = action === undefined || resource === undefined ? undefined : findTitle(action, resource.type);
  return {
    id,
    evaluated_at,
    decision,
    dry_run,
    ...(title === undefined ? {} : { title }),
    ...(action === undefined ? {} : { action }),
    ...(resource === undefined ? {} : { resource: { type: resource.type, id: resource.id } }),
    ...(acting === undefined ? {} : { acting: { ...acting, chain: [...acting.chain] } }),
  };
}

/** The relationships over which the user holds the permission; of an agent that acts for itself there are none of theirs. */
function findOwnPath({ rationale }: DecisionRecord): { readonly path?: string[] } {
  const path = rationale.steps.find(({ step }) => step === 'relationship')?.evidence['path'];
  return Array.isArray(path) ? { path: path.map(String) } : {};
}

type UserReason = NonNullable<UserDecision['reasons']>[number];

/**
 * The reasons of the first failing step, in the words for people. Where the question stated properties of its action, policies
 * may have looked into what those name: then no reason says whether there is such a thing, nor what is stored of it.
 */
function tellUserReasons(record: DecisionRecord): UserReason[] {
  const { told, mayNameOthers } = selectUserReasons(record);
  const titles = mayNameOthers ? [] : listForbidTitles(record.rationale);
  const byCode = new Map<ReasonCode, UserReason>();
  for (const reason of told) {
    const code = mayNameOthers ? (GENERAL_CODES[reason.step] ?? reason.code) : reason.code;
    const isForbid = code === 'policy_forbid' && titles.length > 0;
    const text = code === reason.code ? (reason.people ?? REASONS[code].people) : REASONS[code].people;
    byCode.set(code, { code, text, ...(isForbid ? { policies: titles } : {}) });
  }
  return [...byCode.values()];
}

/** Lists the reasons that the decision's user is told as the record has them. */
export function listPlainReasons(record: DecisionRecord): readonly Reason[] {
  const { told, mayNameOthers } = selectUserReasons(record);
  return mayNameOthers ? told.filter(({ step }) => GENERAL_CODES[step] === undefined) : told;
}

function selectUserReasons({ reasons, facts }: DecisionRecord): {
  readonly told: readonly Reason[];
  readonly mayNameOthers: boolean;
} {
  const step = (reasons.find(({ code }) => code !== 'approval_required') ?? reasons[0])?.step;
  const told = reasons.filter((reason) => reason.step === step || reason.code === 'approval_required');
  return { told, mayNameOthers: facts === undefined || Object.keys(facts.said.action ?? {}).length > 0 };
}

const GENERAL_CODES: Readonly<Partial<Record<StepName, ReasonCode>>> = {
  policy: 'policy_no_permit',
  obligations: 'obligation_unsupported',
};

function listForbidTitles({ steps }: DecisionRecord['rationale']): string[] {
  const cited = steps.find(({ step }) => step === 'policy')?.evidence['forbidden_by'];
  if (!Array.isArray(cited)) return [];
  return cited.flatMap(({ title }: { readonly title?: unknown }) => (typeof title === 'string' ? [title] : []));
}

/** The obligations that people are told of; others may be about what they aren't to know. */
export function listShownObligations({ obligations }: DecisionRecord): DecisionRecord['obligations'] {
  return obligations.filter(({ type }) => MASKING_OBLIGATIONS.includes(type));
}

function selectMasks(record: DecisionRecord): NonNullable<UserDecision['obligations']> {
  const masks = listShownObligations(record);
  return masks as unknown as NonNullable<UserDecision['obligations']>;
}

function copyMasks(masks: SearchRecord['masks']): UserDecision['masks'] {
  return masks?.map((mask) => ({ ...mask }));
}
