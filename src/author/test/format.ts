/**
 * The format of a test file, `*_test.yaml`: a world, tokens and a clock, and the decisions that combinations of who, action
 * and resource must have. docs/guide/testing.md explains it by example.
 */
import { z } from 'zod';
import { REASONS, type ReasonCode } from '../../model/reasons.js';
import { OBLIGATION_TYPES } from '../../model/obligations.js';
import { MAX_CHAIN_LENGTH } from '../../tokens/actors.js';
import { amountFormat, grantLimitsFormat } from '../../policy/schema/limits-format.js';
import { detailSchema } from '../../tokens/claims.js';
import { worldFormat } from '../../config/world.js';
import { idText } from '../../config/schema-types.js';
import { instantFormat } from '../../runtime/instant-format.js';
import type { YamlOptions } from '../../config/yaml.js';

/** Cases of one file at most, and of all files that run together. */
export const MAX_CASES = 100_000;
/** The reading of every test file. */
export const TEST_YAML = { rule: 'test-invalid', point: 'value', maxBytes: 4 * 1024 * 1024 } satisfies YamlOptions;

const nonEmptyText = z.string().min(1).max(1024);
const testNameFormat = nonEmptyText.max(200).regex(/^\P{Cc}*$/u, 'must not contain control characters');
/** A name within the file. It has no colon, so that it is never taken for a reference such as `user:ann`. */
const labelFormat = z
  .string()
  .max(100)
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N}_. -]*$/u,
    'must begin with a letter or digit and have none but those and "_", ".", "-"',
  );
const listOf = <T extends z.ZodType>(element: T): z.ZodArray<T> => z.array(element).min(1).max(1000);
const oneOrMore = z.union([nonEmptyText, listOf(nonEmptyText)]);
const testProperties = z.record(z.string(), z.unknown());

const testTokenFormat = z
  .strictObject({
    user: idText.optional().describe('The user that the agent acts for; left out where the agent acts for itself'),
    agent: idText.describe('The agent that acts'),
    chain: listOf(idText)
      .max(MAX_CHAIN_LENGTH - 1)
      .optional()
      .describe('Earlier agents, newest first'),
    scope: oneOrMore.optional().describe('Scopes as one text, separated by spaces, or as a list'),
    details: z.array(testProperties).max(32).optional().describe('authorization_details (RFC 9396)'),
    purpose: nonEmptyText.optional(),
    session: idText.optional(),
    claims: testProperties.optional().describe('The claims that policies read, by their names in context.claims'),
    background: z.boolean().optional().describe('Whether it is for background use, when the user is not there'),
  })
  .describe('A delegation token, which is minted and verified');

const testPrincipalFormat = z
  .strictObject({
    type: nonEmptyText,
    id: idText,
    agent: idText
      .optional()
      .describe('An agent that acts for the person and that the client vouches for, without a token'),
    properties: testProperties.optional().describe('Attributes that the client asserts of the subject'),
  })
  .describe('A person, without a token');

const testResourceFormat = z.strictObject({
  type: nonEmptyText,
  id: idText,
  properties: testProperties.optional().describe('Properties that override the stored attributes'),
});

const testActionFormat = z.strictObject({
  name: nonEmptyText.optional().describe("The action's own name; by default the name that it has here"),
  properties: testProperties.optional(),
});

const decisionFormat = z.enum(['allow', 'deny']);

const expectedOutcomeFormat = z.strictObject({
  who: oneOrMore.optional().describe('The combinations that this is about; all where it is left out'),
  actions: oneOrMore.optional(),
  resources: oneOrMore.optional(),
  decision: decisionFormat,
  reasons: listOf(z.enum(Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]]))
    .optional()
    .describe('All reason codes of a deny'),
  policies: z.array(nonEmptyText).max(100).optional().describe('All policies that permitted it, or that forbade it'),
  duties: z.array(nonEmptyText).max(100).optional().describe('All duties that apply, whichever the decision'),
  obligations: z
    .partialRecord(z.enum(OBLIGATION_TYPES), testProperties)
    .optional()
    .describe('All obligations of an allow, by their type; {} for none'),
  path: listOf(nonEmptyText).optional().describe('The relationships that grant the permission'),
  remedies: z
    .array(nonEmptyText)
    .max(100)
    .optional()
    .describe('All remedies but waiting, as @remedy writes them; or scope:…, or token'),
});

const entityChangeFormat = z.strictObject({
  type: nonEmptyText,
  id: idText,
  attributes: testProperties
    .nullable()
    .optional()
    .describe(
      'Merged into the stored attributes (RFC 7396): null removes a member; null for all of them removes the entity',
    ),
  parents: z
    .array(z.strictObject({ type: nonEmptyText, id: idText }))
    .max(100)
    .optional(),
});

const testUseFormat = z
  .strictObject({
    action: nonEmptyText,
    user: idText.optional().describe('The user whose use it was; by default the one that is asked about'),
    agent: idText.optional().describe('The agent whose use it was; by default the one that is asked about'),
    count: z.int().min(0).optional().describe('How many uses; 1 by default'),
    amount: amountFormat.optional().describe('How much of a unit'),
    at: instantFormat.optional().describe("When it was; by default at the time of the test's decisions"),
  })
  .describe(
    'What has been used of the limits of an action, of the delegation, and of the consents that name the action, as outcomes state it',
  );

const testConsentFormat = z
  .strictObject({
    user: idText.optional().describe('The user who gave it; by default the one that is asked about'),
    agent: idText.optional().describe('The agent that it is for; by default the one that is asked about'),
    details: z.array(detailSchema).min(1).max(32),
    access: z.enum(['online', 'background']).default('online'),
    confirm: z.enum(['never', 'each']).default('never'),
    when: testProperties.optional(),
    limits: grantLimitsFormat.optional(),
    starts: instantFormat.optional().describe("By default the time of the test's decisions"),
    ends: instantFormat.optional(),
    purpose: nonEmptyText.optional(),
    withdrawn: instantFormat.optional().describe('When the user withdrew it'),
  })
  .describe('A consent, as POST /v1/consents has it');

const testDelegationFormat = z
  .strictObject({
    user: idText.optional().describe('The user who gave it; by default the one that is asked about'),
    agent: idText.optional().describe('The agent that it is for; by default the one that is asked about'),
    ends: instantFormat.optional(),
    online: z.boolean().default(true),
    background: z.boolean().default(false),
    details: z.array(detailSchema).min(1).max(32).optional(),
    limits: grantLimitsFormat.optional(),
  })
  .describe('The bounds of a delegation whose relationship the world has, as POST /v1/delegations has them');

const testApprovalFormat = z
  .strictObject({
    by: idText.describe('The person who answers each step that they may answer'),
    decision: z.enum(['approve', 'deny']).default('approve'),
    scope: z.enum(['once', 'until']).default('once'),
    until: instantFormat.optional(),
    emergency: z.boolean().default(false).describe('Whether it was asked for as an emergency (`@emergency`)'),
  })
  .refine(({ scope, until }) => (scope === 'until') === (until !== undefined), {
    path: ['until'],
    error: 'goes with `scope: until`, which needs it',
  })
  .describe("A person's answer to what the denied question asks for, as POST /v1/approvals/{id}/decision has it");

const testFormat = z.strictObject({
  name: testNameFormat,
  now: instantFormat.optional().describe("The time of this test's decisions, instead of the file's"),
  with: listOf(nonEmptyText).optional().describe('Relationships in addition to those of the world'),
  without: listOf(nonEmptyText).optional().describe('Relationships of the world that are left out'),
  entities: listOf(entityChangeFormat).optional().describe('Changes to stored entities'),
  used: listOf(testUseFormat).optional().describe('What has been used of limits before'),
  history: z
    .record(z.string(), z.union([z.int().min(0), z.boolean()]))
    .optional()
    .describe('What has happened before, by the members of context.history; 0 and false where left out'),
  delegations: listOf(testDelegationFormat).optional().describe('What narrows delegations of the world'),
  consents: listOf(testConsentFormat).optional().describe('Consents that users have given'),
  approvals: listOf(testApprovalFormat)
    .max(20)
    .optional()
    .describe(
      'The answers of people to what a denied question asks for: the question is then asked again with the approval',
    ),
  context: testProperties.optional().describe("The request's context"),
  supported_obligations: z
    .array(nonEmptyText)
    .max(64)
    .optional()
    .describe('Obligations that the client says it can carry out; absent: all'),
  who: oneOrMore.describe('Tokens and principals by their names, or people as TYPE:ID'),
  actions: oneOrMore.describe('Actions by their names'),
  resources: oneOrMore.describe('Resources by their names, or as TYPE:ID'),
  expect: z
    .union([decisionFormat, expectedOutcomeFormat, listOf(expectedOutcomeFormat)])
    .describe('The outcome of all combinations, or of some; a combination that no expectation names must be denied'),
});

export const testFileFormat = z
  .strictObject({
    description: nonEmptyText.optional(),
    now: instantFormat.describe('The time of every decision'),
    world: z
      .union([nonEmptyText, worldFormat])
      .optional()
      .describe("A world file, or a world; by default the configuration's"),
    tokens: z.record(labelFormat, testTokenFormat).optional(),
    principals: z.record(labelFormat, testPrincipalFormat).optional(),
    actions: z.record(labelFormat, testActionFormat).optional().describe('Actions with properties'),
    resources: z.record(labelFormat, testResourceFormat).optional(),
    tests: listOf(testFormat),
  })
  .meta({ title: 'Remit policy tests' });

export type TestFile = z.infer<typeof testFileFormat>;
export type TestSpec = TestFile['tests'][number];
export type OutcomeSpec = z.infer<typeof expectedOutcomeFormat>;
export type TokenSpec = z.infer<typeof testTokenFormat>;
export type DelegationSpec = z.infer<typeof testDelegationFormat>;
export type ConsentSpec = z.infer<typeof testConsentFormat>;
export type ApprovalSpec = z.infer<typeof testApprovalFormat>;
export type UseSpec = z.infer<typeof testUseFormat>;
export type EntityChange = z.infer<typeof entityChangeFormat>;
