/**
 * Loading: the SpiceDB schema, the Cedar schema and the policies, read together into one set of rules that fits, with
 * everything that doesn't, each at its place.
 */
import { createHash } from 'node:crypto';
import { CedarEngine } from './cedar.js';
import type { Place } from './schema/declarations.js';
import { dutyProblem } from './duties.js';
import { Findings, isError, meant, refuseErrors, type Finding } from '../diagnostics/diagnostics.js';
import { Graph } from '../graph/schema/schema.js';
import { asPermit, placeOf, readPolicies, within, type Policy } from './policies.js';
import { joinFiles, readSchema } from './schema/read.js';
import { canApply, Slices } from './slices.js';
import type { SourceFile } from '../diagnostics/source.js';
import { nearest } from '../diagnostics/suggest.js';
import { uidText } from './schema/uid.js';
import { readVocabulary, type Vocabulary } from './schema/vocabulary.js';

/** Everything the operator wrote that decisions are made by. Immutable; a reload makes a new one. */
export interface Rules {
  /** SHA-256 over all sources, in hex: what a decision record names. */
  readonly version: string;
  readonly sources: RuleSources;
  readonly graph: Graph;
  readonly vocabulary: Vocabulary;
  readonly policies: ReadonlyMap<string, Policy>;
  readonly deciding: Slices;
  readonly duties: Slices;
  /** How often Cedar failed and was begun anew. */
  readonly cedarFaults: () => number;
}

export interface RuleSources {
  readonly relationships: SourceFile;
  readonly actions: readonly SourceFile[];
  readonly policies: readonly SourceFile[];
}

export interface ReadRules {
  /** undefined where there is an error among the findings. */
  readonly rules: Rules | undefined;
  readonly findings: readonly Finding[];
  /** Where the Cedar schema declares things. */
  readonly place: Place;
}

/** @throws ConfigError naming file and line of the first error */
export function loadRules(sources: RuleSources): Rules {
  const { rules, findings } = readRules(sources);
  refuseErrors(findings);
  return rules as Rules;
}

/** Reads as far as it goes: what one part lacks doesn't hide what is wrong with another. */
export function readRules(sources: RuleSources): ReadRules {
  const reader = new CedarEngine();
  const findings = new Findings();
  const graph = readGraph(sources.relationships, findings);
  const source = joinFiles(sources.actions);
  const schema = readSchema(source, reader, findings);
  const vocabulary = schema === undefined ? undefined : readVocabulary(schema, graph);
  const policies = readPolicies(sources.policies, reader, findings);
  if (vocabulary !== undefined) {
    validate(reader, source.text, policies, vocabulary, findings);
    for (const policy of policies) checkPolicy(policy, vocabulary, graph, findings);
  }
  const fits = graph !== undefined && vocabulary !== undefined && !findings.all.some(isError);
  return {
    rules: fits ? rulesOf(sources, graph, vocabulary, policies) : undefined,
    findings: findings.all,
    place: source.place,
  };
}

/**
 * Rules that have been read, and found to fit, in another thread: what took long there is taken from it.
 * @param policies of those sources, as they were read
 * @throws ConfigError where the schemas don't fit after all
 */
export function assembleRules(sources: RuleSources, policies: readonly Policy[]): Rules {
  const findings = new Findings();
  const { relationships: spicedb } = sources;
  const graph = Graph.parse(spicedb.text, spicedb.name);
  const schema = readSchema(joinFiles(sources.actions), new CedarEngine(), findings);
  const vocabulary = schema === undefined ? undefined : readVocabulary(schema, graph);
  refuseErrors(findings.all);
  return rulesOf(sources, graph, vocabulary as Vocabulary, policies);
}

function rulesOf(sources: RuleSources, graph: Graph, vocabulary: Vocabulary, policies: readonly Policy[]): Rules {
  const cedar = new CedarEngine();
  return {
    version: versionOf(sources),
    sources,
    graph,
    vocabulary,
    policies: new Map(policies.map((p) => [p.id, p])),
    deciding: new Slices(
      'deciding',
      policies.filter((p) => p.duties === undefined),
      cedar,
    ),
    duties: new Slices(
      'duties',
      policies.filter((p) => p.duties !== undefined),
      cedar,
      asPermit,
    ),
    cedarFaults: () => cedar.replaced,
  };
}

function readGraph({ text, name }: SourceFile, findings: Findings): Graph | undefined {
  const graph = Graph.read(text, name);
  if (graph instanceof Graph) return graph;
  findings.error('spicedb-schema', graph.at, graph.message);
  return undefined;
}

/** Cedar's own validation; its warnings are errors, since it warns of policies that can never apply. */
function validate(
  reader: CedarEngine,
  schema: string,
  policies: readonly Policy[],
  { actions }: Vocabulary,
  findings: Findings,
): void {
  const names = new Set(actions.flatMap(({ uid, groups }) => [uid, ...groups]).map(uidText));
  const byId = new Map(policies.map((p) => [p.id, p]));
  const { value = [], complaints } = reader.validate(schema, Object.fromEntries(policies.map((p) => [p.id, p.text])));
  const [first] = policies;
  for (const { message, help } of complaints)
    if (first !== undefined) findings.error('policy-invalid', first.at, message, help);
  // Cedar answers in no order, and of one policy that is impossible twice: by its scope and as a whole.
  const order = new Map(policies.map((p, i) => [p.id, i]));
  const said = value.toSorted(
    (a, b) => (order.get(a.policy) ?? 0) - (order.get(b.policy) ?? 0) || (a.offset ?? 0) - (b.offset ?? 0),
  );
  const warned = new Set<string>();
  for (const { policy: id, message, help, offset = 0, warning } of said) {
    const policy = byId.get(id);
    if (policy === undefined || (warning && warned.has(id))) continue;
    if (warning) warned.add(id);
    findings.error(
      warning ? 'policy-impossible' : 'policy-invalid',
      within(policy, offset),
      message.replace(`for policy \`${id}\`, `, ''),
      nearestAction(message, names) ?? help,
    );
  }
}

/** Of actions that are as near Cedar names the first by the alphabet; two letters that change places are one slip. */
function nearestAction(message: string, names: ReadonlySet<string>): string | undefined {
  const near = nearest(/unrecognized action `(.+)`$/.exec(message)?.[1] ?? '', names);
  return near === undefined ? undefined : `did you mean \`${near}\`?`;
}

/** What the schema and the policies together must keep to, beyond Cedar's own validation. */
function checkPolicy(policy: Policy, vocabulary: Vocabulary, graph: Graph | undefined, findings: Findings): void {
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
    const problem = dutyProblem(duty, resources);
    if (problem === undefined) continue;
    const message = `@duty "${duty.kind}:${duty.argument}": ${problem.message}`;
    findings.error('invalid-duty', placeOf(policy, '@duty'), message, problem.suggestion);
  }
  for (const remedy of policy.remedies) {
    if (remedy.type !== 'approval' || graph === undefined) continue;
    if (resources.some((r) => graph.has(r.object, remedy.permission))) continue;
    findings.error(
      'invalid-remedy',
      placeOf(policy, '@remedy'),
      `@remedy: no resource it applies to has a permission "${remedy.permission}"`,
      meant(
        remedy.permission,
        resources.flatMap((r) => graph.memberNames(r.object)),
      ),
    );
  }
}

export function versionOf(sources: RuleSources): string {
  const hash = createHash('sha256');
  for (const file of [sources.relationships, ...sources.actions, ...sources.policies]) {
    hash.update(`${Buffer.byteLength(file.text)}:`).update(file.text);
  }
  return hash.digest('hex');
}
