/**
 * Reads the SpiceDB schema, the Cedar schema and the policies into one set of rules that fit each other. The service
 * calls it at the start and at each reload, `remit check` and `remit test` whenever they run.
 */
import { createHash } from 'node:crypto';
import { CedarEngine } from './cedar.js';
import { suggestCure } from './cedar-suggestions.js';
import { checkReferenceLimits } from './reference-limits.js';
import type { LocateDeclaration } from './schema/declarations.js';
import { findDutyProblem, listReviewPermissions } from './duties.js';
import { FindingCollector, isError, assertNoErrors, type Finding } from '../diagnostics/diagnostics.js';
import { DEFAULT_ZONE } from '../runtime/local-time.js';
import { GraphSchema } from '../graph/schema/schema.js';
import { collectContextReads } from './expressions.js';
import { readPolicies, type Policy } from './policies.js';
import { locateAnnotation, locateByte } from './policy-text.js';
import { listNeedlesslyRequired } from './schema/check-action.js';
import { joinSchemaFiles, parseCedarSchema } from './schema/read.js';
import { canApply } from './scope-match.js';
import { PolicySlices } from './slices.js';
import { locationAt, type SourceFile } from '../diagnostics/source.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import { readVocabulary, type Vocabulary } from './schema/vocabulary.js';

/** Everything of the operator's that decisions are made by. Immutable: a reload makes new ones. */
export interface Rules {
  /** SHA-256 over all sources, in hex; decision records name it. */
  readonly version: string;
  readonly sources: RuleSources;
  /** The time zone of `context.local`. */
  readonly zone: string;
  readonly graph: GraphSchema;
  readonly vocabulary: Vocabulary;
  readonly policies: ReadonlyMap<string, Policy>;
  /** The policies that permit and forbid. */
  readonly deciding: PolicySlices;
  /** The policies with `@duty`, which only add obligations. */
  readonly duties: PolicySlices;
  /** Counts how often the Cedar instance failed and was replaced. */
  readonly cedarFaults: () => number;
}

export interface RuleSources {
  readonly relationships: SourceFile;
  readonly actions: readonly SourceFile[];
  readonly policies: readonly SourceFile[];
  /** The time zone that policies read the local time of, by its IANA name; undefined for UTC. */
  readonly zone?: string | undefined;
  /** The longest window that policies may look back, in milliseconds; undefined for a day. */
  readonly longestHistoryMs?: number | undefined;
}

export interface RulesReadResult {
  /** undefined where there is an error among the findings. */
  readonly rules: Rules | undefined;
  readonly findings: readonly Finding[];
  readonly locateDeclaration: LocateDeclaration;
}

/** @throws ConfigError naming file and line of the first error */
export function loadRules(sources: RuleSources): Rules {
  const { rules, findings } = readRules(sources);
  assertNoErrors(findings);
  return rules as Rules;
}

/** Reads all that can be read: what is wrong with one file doesn't hide what is wrong with another. */
export function readRules(sources: RuleSources): RulesReadResult {
  const reader = new CedarEngine();
  const findings = new FindingCollector();
  const graph = readGraph(sources.relationships, findings);
  const schemaText = joinSchemaFiles(sources.actions);
  const schema = parseCedarSchema(schemaText, reader, findings);
  const vocabulary = schema === undefined ? undefined : readVocabulary(schema, graph, sources.longestHistoryMs);
  const policies = readPolicies(sources.policies, reader, findings);
  const [firstFile] = sources.policies;
  if (policies.length === 0 && firstFile !== undefined && !findings.all.some(isError))
    findings.error('no-policy', locationAt(firstFile, 0), 'neither this file nor any other has a policy');
  if (vocabulary !== undefined) {
    validateWithCedar(reader, schemaText.text, policies, vocabulary, findings);
    for (const policy of policies) checkDutiesAndRemedies(policy, vocabulary, graph, findings);
    if (!findings.all.some(isError)) checkReferenceLimits(policies, vocabulary, findings);
  }
  const fits = graph !== undefined && vocabulary !== undefined && !findings.all.some(isError);
  return {
    rules: fits ? buildRules(sources, graph, vocabulary, policies) : undefined,
    findings: findings.all,
    locateDeclaration: schemaText.locateDeclaration,
  };
}

/**
 * Builds rules whose sources another thread has read and found to fit. Policies take long to read and validate, so
 * they come from there; only the schemas are read again.
 * @param policies all policies of the sources
 * @throws ConfigError where the schemas don't fit
 */
export function assembleRules(sources: RuleSources, policies: readonly Policy[]): Rules {
  const findings = new FindingCollector();
  const { relationships: spicedb } = sources;
  const graph = GraphSchema.parse(spicedb.text, spicedb.name);
  const schema = parseCedarSchema(joinSchemaFiles(sources.actions), new CedarEngine(), findings);
  const vocabulary = schema === undefined ? undefined : readVocabulary(schema, graph, sources.longestHistoryMs);
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
    zone: sources.zone ?? DEFAULT_ZONE,
    graph,
    vocabulary,
    policies: new Map(policies.map((p) => [p.id, p])),
    deciding: new PolicySlices(
      'deciding',
      policies.filter((p) => p.duties === undefined),
      vocabulary,
      cedar,
    ),
    duties: new PolicySlices(
      'duties',
      policies.filter((p) => p.duties !== undefined),
      vocabulary,
      cedar,
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

/** Runs Cedar's own validation. Its warnings are errors: it warns of policies that can never apply. */
function validateWithCedar(
  reader: CedarEngine,
  schema: string,
  policies: readonly Policy[],
  vocabulary: Vocabulary,
  findings: FindingCollector,
): void {
  const byId = new Map(policies.map((p) => [p.id, p]));
  const { value = [], diagnostics: setDiagnostics } = reader.validate(
    schema,
    Object.fromEntries(policies.map((p) => [p.id, p.text])),
  );
  const [first] = policies;
  for (const { message, help } of setDiagnostics)
    if (first !== undefined) findings.error('policy-invalid', first.location, message, help);
  // Cedar answers in no order, and warns of an impossible policy twice: of its scope and of the whole.
  const order = new Map(policies.map((p, i) => [p.id, i]));
  const policyDiagnostics = value.toSorted(
    (a, b) => (order.get(a.policy) ?? 0) - (order.get(b.policy) ?? 0) || (a.offset ?? 0) - (b.offset ?? 0),
  );
  const warned = new Set<string>();
  for (const { policy: id, message, help, offset = 0, warning } of policyDiagnostics) {
    const policy = byId.get(id);
    if (policy === undefined || (warning && (warned.has(id) || readsWrongDeclaration(policy, vocabulary)))) continue;
    if (warning) warned.add(id);
    findings.error(
      warning ? 'policy-impossible' : 'policy-invalid',
      locateByte(policy, offset),
      message.replace(`for policy \`${id}\`, `, ''),
      suggestCure(message, vocabulary) ?? help,
    );
  }
}

/** Whether what Cedar warns of may follow from a member that the schema says is always there, which the schema is told of. */
function readsWrongDeclaration({ json }: Policy, { actions }: Vocabulary): boolean {
  const wrong = new Set<string>(actions.flatMap(listNeedlesslyRequired));
  return [...collectContextReads(json)].some((path) => wrong.has(path.split('.')[0] ?? ''));
}

/** Holds a policy's duties and remedies against the resources that its scope can match. */
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
  if (graph === undefined) return;
  const requirePermission = (
    permission: string,
    rule: 'invalid-remedy' | 'invalid-duty',
    annotation: '@remedy' | '@duty',
  ): void => {
    if (resources.some((r) => graph.hasMember(r.object, permission))) return;
    const known = resources.flatMap((r) => graph.memberNames(r.object));
    findings.error(
      rule,
      locateAnnotation(policy, annotation),
      `${annotation}: no resource it applies to has a permission "${permission}"`,
      suggestNearest(permission, known),
    );
  };
  for (const remedy of policy.remedies)
    if (remedy.type === 'approval') requirePermission(remedy.permission, 'invalid-remedy', '@remedy');
  for (const permission of listReviewPermissions(policy.duties ?? []))
    requirePermission(permission, 'invalid-duty', '@duty');
}

/** @returns the version of the rules: SHA-256 over all sources, in hex */
export function hashSources(sources: RuleSources): string {
  const hash = createHash('sha256');
  for (const file of [sources.relationships, ...sources.actions, ...sources.policies]) {
    hash.update(`${Buffer.byteLength(file.text)}:`).update(file.text);
  }
  if (sources.zone !== undefined && sources.zone !== DEFAULT_ZONE) hash.update(`zone:${sources.zone}`);
  return hash.digest('hex');
}
