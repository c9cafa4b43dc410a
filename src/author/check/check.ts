/**
 * Checking: all that is wrong with a configuration, its schemas, policies and world, and all that is dubious about
 * them. The service reads them by the same code, and refuses the errors.
 */
import { resolveConfigPath, type Environment } from '../../config/config.js';
import { checkReferences } from '../../config/check-references.js';
import { readBoundedSource, readSources } from '../../config/files.js';
import { readYaml } from '../../config/yaml.js';
import { errorAt, isError, type Finding } from '../../diagnostics/diagnostics.js';
import { GraphSchema } from '../../graph/schema/schema.js';
import { readRules, type Rules, type RuleSources } from '../../policy/load.js';
import type { SourceFile } from '../../diagnostics/source.js';
import { examineWorld, worldFormat } from '../../config/world.js';
import { readConfiguration } from './configuration.js';
import { applyIgnores } from './ignores.js';
import { runLints } from '../../policy/lint/lints.js';
import { untestedPermit } from '../../policy/lint/untested-permit.js';
import { checkWithSpiceDb } from './spicedb.js';
import type { TestFindings } from './run-tests.js';

export interface CheckResult {
  /** By file, line and column. */
  readonly findings: readonly Finding[];
  /** All that were read. */
  readonly files: readonly SourceFile[];
  /** undefined where there is an error in them. */
  readonly rules: Rules | undefined;
}

export interface CheckOptions {
  readonly env?: Environment | undefined;
  /** Runs the tests beside the policies as well: without them no permit is called untested. */
  readonly tests?: boolean | undefined;
}

/** What is checked together with the rules, and comes before them. */
interface ConfigurationChecks {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
  /** What is wrong with it by these rules. */
  readonly referenceFindings: (rules: Rules) => readonly Finding[];
}

/**
 * @param file as `--config` names it
 * @throws ConfigError where a file isn't there; Fault where SpiceDB doesn't start
 */
export async function checkProject(
  file: string | undefined,
  { env, tests = false }: CheckOptions = {},
): Promise<CheckResult> {
  const configuration = readConfiguration(resolveConfigPath(file, env), env);
  if (configuration.sources === undefined)
    return { findings: configuration.findings, files: [configuration.file], rules: undefined };
  const sources = readSources(configuration.sources);
  const graph = GraphSchema.tryParse(sources.relationships.text, sources.relationships.name);
  const { world, config } = configuration;
  const report = inspectSources(sources, world === undefined ? undefined : readBoundedSource(world), {
    files: [configuration.file],
    findings: [...configuration.findings, ...(graph instanceof GraphSchema ? await checkWithSpiceDb(graph) : [])],
    referenceFindings: ({ vocabulary }) =>
      (config === undefined ? [] : checkReferences(config, vocabulary)).map((reference) =>
        errorAt('config-invalid', configuration.locate(reference.path), reference),
      ),
  });
  // Tests stand on all the rest.
  if (!tests || report.rules === undefined || report.findings.some(isError)) return completeCheck(report);
  // They take SpiceDB and all that decides, which a check without them need not have.
  const { runTests } = await import('./run-tests.js');
  return completeCheck(report, await runTests(configuration.sources, world, report.rules));
}

/** The rules and the world, as far as that can be said without an engine. */
export function checkSources(sources: RuleSources, world: SourceFile | undefined): CheckResult {
  return completeCheck(inspectSources(sources, world));
}

interface SourceReport extends Pick<ReturnType<typeof readRules>, 'rules' | 'place'> {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
}

function inspectSources(
  sources: RuleSources,
  world: SourceFile | undefined,
  configuration?: ConfigurationChecks,
): SourceReport {
  const { rules, findings, place } = readRules(sources);
  return {
    rules,
    place,
    files: [
      ...(configuration?.files ?? []),
      sources.relationships,
      ...sources.actions,
      ...sources.policies,
      ...(world === undefined ? [] : [world]),
    ],
    findings: [
      ...(configuration?.findings ?? []),
      ...findings,
      ...(world === undefined ? [] : checkWorld(world, rules)),
      ...(rules === undefined ? [] : (configuration?.referenceFindings(rules) ?? [])),
    ],
  };
}

const NO_TESTS: TestFindings = { files: [], findings: [], unseen: undefined };

/** With the lints, in order, and without what the files themselves say is to be passed over. */
function completeCheck(
  { rules, place, files: read, findings: found }: SourceReport,
  { unseen, ...tests } = NO_TESTS,
): CheckResult {
  const files = [...read, ...tests.files];
  const lintFindings = rules === undefined ? [] : runLints({ rules, place, untestedKinds: unseen });
  const remaining = applyIgnores([...found, ...tests.findings, ...lintFindings], files, {
    complete: rules !== undefined,
    skipped: unseen === undefined ? [untestedPermit.rule] : [],
  });
  const order = new Map(files.map(({ name }, i) => [name, i]));
  return {
    findings: remaining.toSorted(
      (a, b) =>
        (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1) ||
        a.line - b.line ||
        a.column - b.column ||
        Number(isError(b)) - Number(isError(a)),
    ),
    files,
    rules,
  };
}

/** The world, by itself where the rules don't fit, and otherwise against them. */
function checkWorld(file: SourceFile, rules: Rules | undefined): readonly Finding[] {
  const read = readYaml(file, worldFormat, { label: 'world', rule: 'world-invalid' });
  const findings = [...read.findings];
  if (read.value !== undefined && rules !== undefined)
    examineWorld(read.value, rules, (problem) => {
      findings.push(errorAt(problem.rule, read.locate(problem.path), problem));
    });
  return findings;
}
