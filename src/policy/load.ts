/**
 * Loading: the SpiceDB schema, the Cedar schema and the policies, read together into one set of rules that fits, with
 * everything that doesn't, each at its place.
 */
import { createHash } from 'node:crypto';
import { CedarEngine } from './cedar.js';
import type { LocateDeclaration } from './schema/declarations.js';
import { findDutyProblem } from './duties.js';
import { FindingCollector, isError, assertNoErrors, type Finding } from '../diagnostics/diagnostics.js';
import { GraphSchema } from '../graph/schema/schema.js';
import { readPolicies, type Policy } from './policies.js';
import { locateAnnotation, locateByte, rewriteAsPermit } from './policy-text.js';
import { joinSchemaFiles, parseCedarSchema } from './schema/read.js';
import { canApply, PolicySlices } from './slices.js';
import type { SourceFile } from '../diagnostics/source.js';
import { findNearestWord, suggestNearest } from '../diagnostics/suggest.js';
import { formatUid } from './schema/uid.js';
import { readVocabulary, type Vocabulary } from './schema/vocabulary.js';

/** Everything the operator wrote that decisions are made by. Immutable; a reload makes a new one. */
export interface Rules {
  /** SHA-256 over all sources, in hex: what a decision record names. */
  readonly version: string;
  readonly sources: RuleSources;
  readonly graph: GraphSchema;
  readonly vocabulary: Vocabulary;
  readonly policies: ReadonlyMap<string, Policy>;
  readonly deciding: PolicySlices;
  readonly duties: PolicySlices;
  /** How often Cedar failed and was begun anew. */
  readonly cedarFaults: () => number;
}

export interface RuleSources {
  readonly relationships: SourceFile;
  readonly actions: readonly SourceFile[];
  readonly policies: readonly SourceFile[];
}

export interface RulesReadResult {
  /** undefined where there is an error among the findings. */
  readonly rules: Rules | undefined;
  readonly findings: readonly Finding[];
  /** Where the Cedar schema declares things. */
  readonly place: LocateDeclaration;
}

/** @throws ConfigError naming file and line of the first error */
export function loadRules(sources: RuleSources): Rules {
  const { rules, findings } = readRules(sources);
  assertNoErrors(findings);
  return rules as Rules;
}

/** Reads as far as it goes: what one part lacks doesn't hide what is wrong with another. */
export function readRules(sources: RuleSources): RulesReadResult {
  const reader = new CedarEngine();
  const findings = new FindingCollector();
  const graph = readGraph(sources.relationships, findings);
  const schemaText = joinSchemaFiles(sources.actions);
  const schema = parseCedarSchema(schemaText, reader, findings);
  const vocabulary = schema === undefined ? undefined : readVocabulary(schema, graph);
  const policies = readPolicies(sources.policies, reader, findings);
  if (vocabulary !== undefined) {
    validateWithCedar(reader, schemaText.text, policies, vocabulary, findings);
    for (const policy of policies) checkDutiesAndRemedies(policy, vocabulary, graph, findings);
  }
  const fits = graph !== undefined && vocabulary !== undefined && !findings.all.some(isError);
  return {
    rules: fits ? buildRules(sources, graph, vocabulary, policies) : undefined,
    findings: findings.all,
    place: schemaText.locateDeclaration,
  };
}

/**
 * Rules that have been read, and found to fit, in another thread: what took long there is taken from it.
 * @param policies of those sources, as they were read
 * @throws ConfigError where the schemas don't fit after all
 */
export function assembleRules(sources: RuleSources, policies: readonly Policy[]): Rules {
  const findings = new FindingCollector();
  const { relationships: spicedb } = sources;
  const graph = GraphSchema.parse(spicedb.text, spicedb.name);
  const schema = parseCedarSchema(joinSchemaFiles(sources.actions), new CedarEngine(), findings);
  const vocabulary = schema === undefined ? undefined : readVocabulary(schema, graph);
  assertNoErrors(findings.all);
  return buildRules(sources, graph, vocabulary as Vocabulary, policies);
}

function buildRules(
  sources: RuleSources,
  graph: GraphSchema,
  vocabulary: Vocabulary,
  policies: readonly Policy[],
): Rules {
  const cedar = new CedarEngine();
  return {
    version: hashSources(sources),
    sources,
    graph,
    vocabulary,
    policies: new Map(policies.map((p) => [p.id, p])),
    deciding: new PolicySlices(
      'deciding',
      policies.filter((p) => p.duties === undefined),
      cedar,
    ),
    duties: new PolicySlices(
      'duties',
      policies.filter((p) => p.duties !== undefined),
      cedar,
      ({ text }) => rewriteAsPermit(text),
    ),
    cedarFaults: () => cedar.replacementCount,
  };
}

function readGraph({ text, name }: SourceFile, findings: FindingCollector): GraphSchema | undefined {
  const graph = GraphSchema.tryParse(text, name);
  if (graph instanceof GraphSchema) return graph;
  findings.error('spicedb-schema', graph.at, graph.message);
  return undefined;
}

/** Cedar's own validation; its warnings are errors, since it warns of policies that can never apply. */
function validateWithCedar(
  reader: CedarEngine,
  schema: string,
  policies: readonly Policy[],
  { actions }: Vocabulary,
  findings: FindingCollector,
): void {
  const actionNames = new Set(actions.flatMap(({ uid, groups }) => [uid, ...groups]).map(formatUid));
  const byId = new Map(policies.map((p) => [p.id, p]));
  const { value = [], complaints } = reader.validate(schema, Object.fromEntries(policies.map((p) => [p.id, p.text])));
  const [first] = policies;
  for (const { message, help } of complaints)
    if (first !== undefined) findings.error('policy-invalid', first.location, message, help);
  // Cedar answers in no order, and of one policy that is impossible twice: by its scope and as a whole.
  const order = new Map(policies.map((p, i) => [p.id, i]));
  const diagnostics = value.toSorted(
    (a, b) => (order.get(a.policy) ?? 0) - (order.get(b.policy) ?? 0) || (a.offset ?? 0) - (b.offset ?? 0),
  );
  const warned = new Set<string>();
  for (const { policy: id, message, help, offset = 0, warning } of diagnostics) {
    const policy = byId.get(id);
    if (policy === undefined || (warning && warned.has(id))) continue;
    if (warning) warned.add(id);
    findings.error(
      warning ? 'policy-impossible' : 'policy-invalid',
      locateByte(policy, offset),
      message.replace(`for policy \`${id}\`, `, ''),
      suggestAction(message, actionNames) ?? help,
    );
  }
}

/** Of actions that are as near Cedar names the first by the alphabet; two letters that change places are one slip. */
function suggestAction(message: string, actionNames: ReadonlySet<string>): string | undefined {
  const nearestName = findNearestWord(/unrecognized action `(.+)`$/.exec(message)?.[1] ?? '', actionNames);
  return nearestName === undefined ? undefined : `did you mean \`${nearestName}\`?`;
}

/** What the schema and the policies together must keep to, beyond Cedar's own validation. */
function checkDutiesAndRemedies(
  policy: Policy,
  vocabulary: Vocabulary,
  graph: GraphSchema | undefined,
  findings: FindingCollector,
): void {
  const resources = [
    ...new Set(
      vocabulary.actions.flatMap((action) =>
        action.resourceTypes.filter((resource) =>
          action.principalTypes.some((p) => canApply(policy.json, p, action, resource)),
        ),
      ),
    ),
  ];
  for (const duty of policy.duties ?? []) {
    const problem = findDutyProblem(duty, resources);
    if (problem === undefined) continue;
    const message = `@duty "${duty.kind}:${duty.argument}": ${problem.message}`;
    findings.error('invalid-duty', locateAnnotation(policy, '@duty'), message, problem.suggestion);
  }
  for (const remedy of policy.remedies) {
    if (remedy.type !== 'approval' || graph === undefined) continue;
    if (resources.some((r) => graph.hasMember(r.object, remedy.permission))) continue;
    findings.error(
      'invalid-remedy',
      locateAnnotation(policy, '@remedy'),
      `@remedy: no resource it applies to has a permission "${remedy.permission}"`,
      suggestNearest(
        remedy.permission,
        resources.flatMap((r) => graph.memberNames(r.object)),
      ),
    );
  }
}

export function hashSources(sources: RuleSources): string {
  const hash = createHash('sha256');
  for (const file of [sources.relationships, ...sources.actions, ...sources.policies]) {
    hash.update(`${Buffer.byteLength(file.text)}:`).update(file.text);
  }
  return hash.digest('hex');
}
