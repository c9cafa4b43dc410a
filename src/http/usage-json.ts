/** Usage in the API's JSON: what agents were granted and never used, were denied, and could be narrowed to. */
import { z } from 'zod';
import { REASONS, type ReasonCode } from '../model/reasons.js';
import { shownDetailFormat } from './shown-formats.js';

const partyMembers = {
  user: z.string().optional().describe('As `type:id`; absent where the agent acted for itself'),
  agent: z.string().describe('As `type:id`'),
};
const actionMembers = { action: z.string(), resource_type: z.string() };

const unusedFormat = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('delegation'),
    user: z.string(),
    agent: z.string(),
    given_at: z.string().optional().describe('Absent where it is a relationship alone'),
  }),
  z.object({
    kind: z.literal('consent'),
    id: z.string(),
    user: z.string(),
    agent: z.string(),
    actions: z.array(z.string()),
    given_at: z.string(),
  }),
  z.object({ kind: z.literal('scope'), ...partyMembers, scope: z.string() }),
  z.object({
    kind: z.literal('permission'),
    user: z.string(),
    agent: z.string(),
    resource_type: z.string(),
    permission: z.string(),
    actions: z.array(z.string()).describe('The actions that need it, and that the delegation covers'),
  }),
]);

/** The parts that limits may cut short. */
const CUT_PARTS = ['records', 'earlier', 'granted', 'replay', 'entries'] as const;
export type CutPart = (typeof CUT_PARTS)[number];

export const usageFormat = z
  .object({
    period: z
      .object({ since: z.string(), until: z.string() })
      .describe('What all of it is about. It begins later than was asked for where not all records were read'),
    records: z
      .object({
        read: z.int(),
        values_erased: z.int().describe('Those whose values are gone: no resource of them can be named'),
      })
      .describe('The records that were read'),
    cut: z
      .array(z.enum(CUT_PARTS))
      .describe(
        'What is not all there is: `records` of the period, the `earlier` ones, what is `granted`, the `replay`, or the `entries` of a list below',
      ),
    unused: z.array(unusedFormat).describe('Granted, and not used in the period'),
    never: z
      .array(z.object({ ...partyMembers, ...actionMembers, first: z.string(), decision: z.string() }))
      .describe('Done in the period, and never before'),
    denied: z
      .array(
        z.object({
          ...partyMembers,
          ...actionMembers,
          reason: z.enum(Object.keys(REASONS) as ReasonCode[]),
          count: z.int(),
          last: z.string(),
        }),
      )
      .describe('The denials, the most first'),
    bursts: z
      .array(z.object({ agent: z.string(), from: z.string(), to: z.string(), decisions: z.int(), denied: z.int() }))
      .describe('Stretches of at least 20 questions within five minutes'),
    suggestions: z
      .array(
        z.object({
          ...partyMembers,
          detail: shownDetailFormat,
          would_deny: z
            .object({ n: z.int(), of: z.int() })
            .describe('Of the allows of these actions that could be decided again, those that it would have denied'),
          not_replayed: z.int().describe('The allows that could not be decided again'),
        }),
      )
      .describe(
        'The narrowest details that cover all that was really done, each of its own actions: to narrow an agent to all of them together',
      ),
  })
  .meta({
    id: 'Usage',
    example: {
      period: { since: '2030-02-02T10:00:00.000Z', until: '2030-03-04T10:00:00.000Z' },
      records: { read: 14, values_erased: 0 },
      cut: [],
      unused: [{ kind: 'delegation', user: 'user:ann', agent: 'agent:mail-bot', given_at: '2030-01-07T09:00:00.000Z' }],
      never: [
        {
          user: 'user:ann',
          agent: 'agent:notes-bot',
          action: 'read',
          resource_type: 'document',
          first: '2030-03-04T09:00:00.000Z',
          decision: '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5f60',
        },
      ],
      denied: [
        {
          user: 'user:ann',
          agent: 'agent:notes-bot',
          action: 'delete',
          resource_type: 'document',
          reason: 'policy_forbid',
          count: 2,
          last: '2030-03-04T09:30:00.000Z',
        },
      ],
      bursts: [],
      suggestions: [
        {
          user: 'user:ann',
          agent: 'agent:notes-bot',
          detail: { type: 'remit', actions: ['read'], resources: ['document:plan'], access: 'online' },
          would_deny: { n: 1, of: 12 },
          not_replayed: 0,
        },
      ],
    },
  });
export type UsageJson = z.infer<typeof usageFormat>;
