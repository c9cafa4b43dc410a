/**
 * `remit check`: finds what is wrong with a configuration, its schemas, policies and world, and what is dubious about
 * them. The service reads the same files by the same code, and refuses to run by them where there is an error.
 */
import { resolveConfigPath, type Environment } from '../../config/config.js';
import { checkReferences, listApproverPermissions } from '../../config/check-references.js';
import { readSources } from '../../config/files.js';
import { readYaml } from '../../config/yaml.js';
import { errorAt, isError, warningAt, type Finding } from '../../diagnostics/diagnostics.js';
import type { ApproverRules } from '../../govern/approvals/eligibility.js';
import { GraphSchema } from '../../graph/schema/schema.js';
import { readRules, type Rules, type RuleSources } from '../../policy/load.js';
import type { SourceFile } from '../../diagnostics/source.js';
import { examineWorld, readWorldSource, worldFormat } from '../../config/world.js';
import { readConfiguration } from './configuration.js';
import { applyIgnores } from './ignores.js';
import { runLints } from '../../policy/lint/lints.js';
import { untestedPermit } from '../../policy/lint/untested-permit.js';
import { lintWorld } from './world-lints.js';
import { checkWithSpiceDb } from './spicedb.js';
import type { TestFindings } from './run-tests.js';

export interface CheckResult {
  /** Sorted by file, line and column. */
  readonly findings: readonly Finding[];
  /** Every file that was read. */
  readonly files: readonly SourceFile[];
  /** undefined where the policies or schemas have an error. */
  readonly rules: Rules | undefined;
}

export interface CheckOptions {
  readonly env?: Environment | undefined;
  /** Runs the tests beside the policies as well. Without them, no permit is reported as untested. */
  readonly tests?: boolean | undefined;
}

/** A configuration file's part in a check; its findings come before those of the policies. */
interface ConfigurationChecks {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
  readonly approverRules: ApproverRules;
  /** Finds names in the configuration that the schema doesn't have. */
  readonly referenceFindings: (rules: Rules) => readonly Finding[];
}

/**
 * Checks a configuration file and every file that it leads to.
 * @param file the argument of `--config`; undefined for the default
 * @throws ConfigError where a file isn't there
 * @throws Fault where SpiceDB doesn't start
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
  const { world, config, approverRules } = configuration;
  const report = inspectSources(sources, world === undefined ? undefined : readWorldSource(world), {
    files: [configuration.file],
    approverRules,
    findings: [...configuration.findings, ...(graph instanceof GraphSchema ? await checkWithSpiceDb(graph) : [])],
    referenceFindings: (rules) =>
      (config === undefined ? [] : checkReferences(config, rules)).map((reference) =>
        errorAt('config-invalid', configuration.locate(reference.path), reference),
      ),
  });
  // Tests need policies and a world without errors.
  if (!tests || report.rules === undefined || report.findings.some(isError)) return completeCheck(report);
  // Loaded only here: tests need SpiceDB and the steps of a decision, and other checks don't.
  const { runTests } = await import('./run-tests.js');
  return completeCheck(report, await runTests({ ...configuration, sources: configuration.sources }, report.rules));
}

/** Checks policies, schemas and a world without starting SpiceDB. A service that reloads them checks them by this. */
export function checkSources(
  sources: RuleSources,
  world: SourceFile | undefined,
  approverRules: ApproverRules,
): CheckResult {
  const configuration = { files: [], findings: [], approverRules, referenceFindings: () => [] };
  return completeCheck(inspectSources(sources, world, configuration));
}

interface SourceReport extends Pick<ReturnType<typeof readRules>, 'rules' | 'locateDeclaration'> {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
  readonly approverRules: ApproverRules;
}

function inspectSources(
  sources: RuleSources,
  world: SourceFile | undefined,
  configuration: ConfigurationChecks,
): SourceReport {
  const { rules, findings, locateDeclaration } = readRules(sources);
  return {
    rules,
    locateDeclaration,
    approverRules: configuration.approverRules,
    files: [
      ...configuration.files,
      sources.relationships,
      ...sources.actions,
      ...sources.policies,
      ...(world === undefined ? [] : [world]),
    ],
    findings: [
      ...configuration.findings,
      ...findings,
      ...(world === undefined ? [] : checkWorld(world, rules)),
      ...(rules === undefined ? [] : configuration.referenceFindings(rules)),
    ],
  };
}

const NO_TESTS: TestFindings = { files: [], findings: [], unseen: undefined };

/** Adds the lints' findings, leaves out those that the files ignore, and sorts them. */
function completeCheck(
  { rules, locateDeclaration, files: sourceFiles, findings: sourceFindings, approverRules }: SourceReport,
  { unseen, ...tests } = NO_TESTS,
): CheckResult {
  const files = [...sourceFiles, ...tests.files];
  const configuredPermissions = listApproverPermissions(approverRules);
  const lintFindings = rules === undefined ? [] : runLints({ rules, locateDeclaration, configuredPermissions, untestedKinds: unseen }); // prettier-ignore
  const remaining = applyIgnores([...sourceFindings, ...tests.findings, ...lintFindings], files, {
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

/** Checks the world's form, and where the policies have no errors also whether it fits them. */
function checkWorld(file: SourceFile, rules: Rules | undefined): readonly Finding[] {
  const world = readYaml(file, worldFormat, { label: 'world', rule: 'world-invalid' });
  const findings = [...world.findings];
  if (world.value === undefined || rules === undefined) return findings;
  examineWorld(world.value, rules, (problem) => {
    findings.push(errorAt(problem.rule, world.locate(problem.path), problem));
  });
  if (findings.length > 0) return findings;
  return lintWorld(world.value, rules.vocabulary).map((warning) =>
    warningAt(warning.rule, world.locate(warning.path), warning),
  );
}
