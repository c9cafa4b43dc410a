/**
 * The format of a test file, `*_test.yaml`: what is known (world, tokens, clock), and which combinations of who, action
 * and resource come to which decision. docs/guide/testing.md explains it by example.
 */
import { z } from 'zod';
import { REASONS, type ReasonCode } from '../../model/reasons.js';
import { OBLIGATION_TYPES } from '../../model/obligations.js';
import { MAX_CHAIN_LENGTH } from '../../tokens/actors.js';
import { worldFormat } from '../../config/world.js';
import type { YamlOptions } from '../../config/yaml.js';

/** Of one test, and of all that run together. */
export const MAX_CASES = 100_000;
/** The reading of every test file. */
export const TEST_YAML: YamlOptions = { rule: 'test-invalid', point: 'value', maxBytes: 4 * 1024 * 1024 };

const nonEmptyText = z.string().min(1).max(1024);
const testNameFormat = nonEmptyText.max(200).regex(/^\P{Cc}*$/u, 'must not contain control characters');
/** What something is called within the file: without a colon, so that it is never taken for a reference. */
const labelFormat = z
  .string()
  .max(100)
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N}_. -]*$/u,
    'must begin with a letter or digit and have none but those and "_", ".", "-"',
  );
const listOf = <T extends z.ZodType>(of: T): z.ZodArray<T> => z.array(of).min(1).max(1000);
const oneOrMore = z.union([nonEmptyText, listOf(nonEmptyText)]);
const clockInstant = z.iso.datetime({
  error: ({ input }) => (input === undefined ? undefined : 'must be an instant such as "2030-03-04T10:00:00Z"'),
});
const testProperties = z.record(z.string(), z.unknown());

const testTokenFormat = z
  .strictObject({
    user: nonEmptyText.optional().describe('For whom it acts; left out where the agent acts for itself'),
    agent: nonEmptyText.describe('Who acts'),
    chain: listOf(nonEmptyText)
      .max(MAX_CHAIN_LENGTH - 1)
      .optional()
      .describe('Earlier agents, newest first'),
    scope: oneOrMore.optional().describe('As one text, separated by spaces, or as a list'),
    details: z.array(testProperties).max(32).optional().describe('authorization_details (RFC 9396)'),
    purpose: nonEmptyText.optional(),
    session: nonEmptyText.optional(),
    background: z.boolean().optional().describe('For when the user is not there'),
  })
  .describe('A delegation token; it is minted and verified');

const testPrincipalFormat = z
  .strictObject({
    type: nonEmptyText,
    id: nonEmptyText,
    agent: nonEmptyText.optional().describe('One that acts for them and that the client vouches for, without a token'),
    properties: testProperties.optional().describe('Attributes that the client asserts of the subject'),
  })
  .describe('A person, without a token');

const testResourceFormat = z.strictObject({
  type: nonEmptyText,
  id: nonEmptyText,
  properties: testProperties.optional().describe('Override what is stored'),
});

const testActionFormat = z.strictObject({
  name: nonEmptyText.optional().describe("The action's own name; by default the name that it has here"),
  properties: testProperties.optional(),
});

const decisionFormat = z.enum(['allow', 'deny']);

const expectedOutcomeFormat = z.strictObject({
  who: oneOrMore.optional().describe('Which combinations this is said of; left out: all'),
  actions: oneOrMore.optional(),
  resources: oneOrMore.optional(),
  decision: decisionFormat,
  reasons: listOf(z.enum(Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]]))
    .optional()
    .describe('Of a deny: all of its reason codes'),
  policies: z.array(nonEmptyText).max(100).optional().describe('All policies that permitted it, or that forbade it'),
  duties: z.array(nonEmptyText).max(100).optional().describe('All duties that apply, whichever the decision'),
  obligations: z
    .partialRecord(z.enum(OBLIGATION_TYPES), testProperties)
    .optional()
    .describe('All that come with an allow, by their type; {} for none'),
  path: listOf(nonEmptyText).optional().describe('The relationships that grant the permission'),
  remedies: z.array(nonEmptyText).max(100).optional().describe('All, as @remedy writes them; or scope:…, or token'),
});

const entityChangeFormat = z.strictObject({
  type: nonEmptyText,
  id: nonEmptyText,
  attributes: testProperties
    .nullable()
    .optional()
    .describe('Merged into what is stored (RFC 7396), null removes a member; null for all: nothing is stored'),
  parents: z
    .array(z.strictObject({ type: nonEmptyText, id: nonEmptyText }))
    .max(100)
    .optional(),
});

const testFormat = z.strictObject({
  name: testNameFormat,
  now: clockInstant.optional().describe("Another time than the file's"),
  with: listOf(nonEmptyText).optional().describe('Relationships that there are as well'),
  without: listOf(nonEmptyText).optional().describe('Relationships of the world that there are not'),
  entities: listOf(entityChangeFormat).optional().describe('Changes to what is stored of entities'),
  context: testProperties.optional().describe("The request's context"),
  supported_obligations: z
    .array(nonEmptyText)
    .max(64)
    .optional()
    .describe('What the client says that it can carry out'),
  who: oneOrMore.describe('Tokens and principals by their names, or people as TYPE:ID'),
  actions: oneOrMore.describe('By their names'),
  resources: oneOrMore.describe('By their names, or as TYPE:ID'),
  expect: z
    .union([decisionFormat, expectedOutcomeFormat, listOf(expectedOutcomeFormat)])
    .describe('Of all combinations, or of some; what is said of none is a deny'),
});

export const testFileFormat = z
  .strictObject({
    description: nonEmptyText.optional(),
    now: clockInstant.describe('The time of every decision'),
    world: z
      .union([nonEmptyText, worldFormat])
      .optional()
      .describe("A world file, or a world; by default the configuration's"),
    tokens: z.record(labelFormat, testTokenFormat).optional(),
    principals: z.record(labelFormat, testPrincipalFormat).optional(),
    actions: z.record(labelFormat, testActionFormat).optional().describe('Those with properties'),
    resources: z.record(labelFormat, testResourceFormat).optional(),
    tests: listOf(testFormat),
  })
  .meta({ title: 'Remit policy tests' });

export type TestFile = z.infer<typeof testFileFormat>;
export type TestSpec = TestFile['tests'][number];
export type OutcomeSpec = z.infer<typeof expectedOutcomeFormat>;
export type TokenSpec = z.infer<typeof testTokenFormat>;
export type EntityChange = z.infer<typeof entityChangeFormat>;
