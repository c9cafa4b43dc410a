/**
 * The format of a test file, `*_test.yaml`: what is known (world, tokens, clock), and which combinations of who, action
 * and resource come to which decision. docs/guide/testing.md explains it by example.
 */
import { z } from 'zod';
import { REASONS, type ReasonCode } from '../../model/reasons.js';
import { OBLIGATION_TYPES } from '../../model/obligations.js';
import { MAX_CHAIN } from '../../tokens/actors.js';
import { worldFormat } from '../../config/world.js';

/** Of one test, and of all that run together. */
export const MAX_CASES = 100_000;
export const MAX_FILE_BYTES = 4 * 1024 * 1024;

const text = z.string().min(1).max(1024);
const name = text.max(200).regex(/^\P{Cc}*$/u, 'must not contain control characters');
/** What something is called within the file: without a colon, so that it is never taken for a reference. */
const label = z
  .string()
  .max(100)
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N}_. -]*$/u,
    'must begin with a letter or digit and have none but those and "_", ".", "-"',
  );
const list = <T extends z.ZodType>(of: T): z.ZodArray<T> => z.array(of).min(1).max(1000);
const some = z.union([text, list(text)]);
const instant = z.iso.datetime({
  error: ({ input }) => (input === undefined ? undefined : 'must be an instant such as "2030-03-04T10:00:00Z"'),
});
const properties = z.record(z.string(), z.unknown());

const token = z
  .strictObject({
    user: text.optional().describe('For whom it acts; left out where the agent acts for itself'),
    agent: text.describe('Who acts'),
    chain: list(text)
      .max(MAX_CHAIN - 1)
      .optional()
      .describe('Earlier agents, newest first'),
    scope: some.optional().describe('As one text, separated by spaces, or as a list'),
    details: z.array(properties).max(32).optional().describe('authorization_details (RFC 9396)'),
    purpose: text.optional(),
    session: text.optional(),
    background: z.boolean().optional().describe('For when the user is not there'),
  })
  .describe('A delegation token; it is minted and verified');

const principal = z
  .strictObject({
    type: text,
    id: text,
    agent: text.optional().describe('One that acts for them and that the client vouches for, without a token'),
    properties: properties.optional().describe('Attributes that the client asserts of the subject'),
  })
  .describe('A person, without a token');

const resource = z.strictObject({
  type: text,
  id: text,
  properties: properties.optional().describe('Override what is stored'),
});

const action = z.strictObject({
  name: text.optional().describe("The action's own name; by default the name that it has here"),
  properties: properties.optional(),
});

const decision = z.enum(['allow', 'deny']);

const outcome = z.strictObject({
  who: some.optional().describe('Which combinations this is said of; left out: all'),
  actions: some.optional(),
  resources: some.optional(),
  decision,
  reasons: list(z.enum(Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]]))
    .optional()
    .describe('Of a deny: all of its reason codes'),
  policies: z.array(text).max(100).optional().describe('All policies that permitted it, or that forbade it'),
  duties: z.array(text).max(100).optional().describe('All duties that apply, whichever the decision'),
  obligations: z
    .partialRecord(z.enum(OBLIGATION_TYPES), properties)
    .optional()
    .describe('All that come with an allow, by their type; {} for none'),
  path: list(text).optional().describe('The relationships that grant the permission'),
  remedies: z.array(text).max(100).optional().describe('All, as @remedy writes them; or scope:…, or token'),
});

const entityChange = z.strictObject({
  type: text,
  id: text,
  attributes: properties
    .nullable()
    .optional()
    .describe('Merged into what is stored (RFC 7396), null removes a member; null for all: nothing is stored'),
  parents: z
    .array(z.strictObject({ type: text, id: text }))
    .max(100)
    .optional(),
});

const test = z.strictObject({
  name,
  now: instant.optional().describe("Another time than the file's"),
  with: list(text).optional().describe('Relationships that there are as well'),
  without: list(text).optional().describe('Relationships of the world that there are not'),
  entities: list(entityChange).optional().describe('Changes to what is stored of entities'),
  context: properties.optional().describe("The request's context"),
  supported_obligations: z.array(text).max(64).optional().describe('What the client says that it can carry out'),
  who: some.describe('Tokens and principals by their names, or people as TYPE:ID'),
  actions: some.describe('By their names'),
  resources: some.describe('By their names, or as TYPE:ID'),
  expect: z
    .union([decision, outcome, list(outcome)])
    .describe('Of all combinations, or of some; what is said of none is a deny'),
});

export const testFile = z
  .strictObject({
    description: text.optional(),
    now: instant.describe('The time of every decision'),
    world: z.union([text, worldFormat]).optional().describe("A world file, or a world; by default the configuration's"),
    tokens: z.record(label, token).optional(),
    principals: z.record(label, principal).optional(),
    actions: z.record(label, action).optional().describe('Those with properties'),
    resources: z.record(label, resource).optional(),
    tests: list(test),
  })
  .meta({ title: 'Remit policy tests' });

export type TestFile = z.infer<typeof testFile>;
export type Test = TestFile['tests'][number];
export type Outcome = z.infer<typeof outcome>;
export type TokenSpec = z.infer<typeof token>;
export type EntityChange = z.infer<typeof entityChange>;
