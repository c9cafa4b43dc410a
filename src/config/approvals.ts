/** `approvals` of the configuration: how long people may take to answer access requests, and how long their yes is good. */
import { z } from 'zod';
import type { ApproverRules } from '../govern/approvals/eligibility.js';
import { findRelationNameProblem } from '../model/relationships.js';
import { findTypeProblem } from '../model/ids.js';
import { boundedDurationFormat } from './durations.js';

const MAX_GROUP_DEFINITIONS = 100;

/** A text that has the problem that the function finds, where it finds one. */
function checkedTextFormat(findProblem: (text: string) => string | undefined): z.ZodString {
  return z.string().superRefine((text, context) => {
    const problem = findProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
}

const groupFormat = checkedTextFormat(findTypeProblem);
const memberFormat = checkedTextFormat(findRelationNameProblem);

/** Deputies as `team#deputy`: a group's definition and the relation of its deputies. */
const deputiesFormat = checkedTextFormat((text) => {
  const [type = '', relation = '', ...rest] = text.split('#');
  const isFine =
    rest.length === 0 && [findTypeProblem(type), findRelationNameProblem(relation)].every((p) => p === undefined);
  return isFine ? undefined : 'must name a definition and its relation, such as "team#deputy"';
});

export const approvalsFormat = z
  .strictObject({
    open: z.number().int().min(1).max(1000).default(20),
    waiting: boundedDurationFormat('PT1M', 'P30D').prefault('P1D'),
    once: boundedDurationFormat('PT1M', 'P1D').prefault('PT15M'),
    until_max: boundedDurationFormat('PT1M', 'P90D').prefault('P1D'),
    cooldown: boundedDurationFormat('PT0S', 'P7D').prefault('PT1H'),
    administered_by: z
      .record(groupFormat, memberFormat)
      .refine(
        (byGroup) => Object.keys(byGroup).length <= MAX_GROUP_DEFINITIONS,
        `must name at most ${MAX_GROUP_DEFINITIONS} definitions`,
      )
      .default({}),
    deputies: z
      .array(deputiesFormat)
      .max(MAX_GROUP_DEFINITIONS)
      .refine(
        (all) => new Set(all.map((text) => text.split('#')[0])).size === all.length,
        'must name each definition once',
      )
      .default([]),
  })
  .prefault({});

export interface ApprovalsConfig extends ApproverRules {
  /** The tasks of a user by one agent that may be open. */
  readonly open: number;
  /** The time in milliseconds in which a task can be answered. */
  readonly waitingMs: number;
  /** The time in milliseconds in which an approval for one use is good. */
  readonly onceMs: number;
  /** The longest time in milliseconds that an approval for more than one use can be good. */
  readonly untilMaxMs: number;
  /** The time in milliseconds after a no in which the same can't be asked again. */
  readonly cooldownMs: number;
}

export function resolveApprovals({
  open,
  waiting,
  once,
  until_max,
  cooldown,
  administered_by: administeredBy,
  deputies,
}: z.output<typeof approvalsFormat>): ApprovalsConfig {
  return {
    open,
    waitingMs: waiting,
    onceMs: once,
    untilMaxMs: until_max,
    cooldownMs: cooldown,
    administeredBy: new Map(Object.entries(administeredBy)),
    deputies: new Map(deputies.map((text) => text.split('#') as [string, string])),
  };
}
