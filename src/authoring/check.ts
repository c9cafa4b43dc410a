/**
 * Checking: all that is wrong with a configuration, its schemas, policies and world, and all that is dubious about
 * them. The service reads them by the same code, and refuses the errors.
 */
import { configPath, type Environment } from '../config.js';
import { misfits } from '../config/fits.js';
import { readSources } from '../config/files.js';
import { readYaml } from '../config/yaml.js';
import { isError, type Finding } from '../rules/findings.js';
import { Graph } from '../rules/graph.js';
import { readRules, type Rules } from '../rules/load.js';
import type { SourceFile } from '../rules/source.js';
import { examineWorld, worldFormat } from '../world.js';
import { readConfiguration } from './configuration.js';
import { withoutIgnored } from './ignores.js';
import { lint } from './lints.js';
import { untestedPermit } from './lints/untested-permit.js';
import { refusedBySpiceDb } from './spicedb.js';
import { runTests, type Tests } from './tests.js';

export interface Checked {
  /** By file, line and column. */
  readonly findings: readonly Finding[];
  /** All that were read. */
  readonly files: readonly SourceFile[];
  readonly policies: number;
}

export interface Checking {
  readonly env?: Environment | undefined;
  /** Runs the tests beside the policies as well: without them no permit is called untested. */
  readonly tests?: boolean | undefined;
}

/**
 * @param file as `--config` names it
 * @throws ConfigError where a file isn't there; Fault where SpiceDB doesn't start
 */
export async function check(file: string | undefined, { env, tests = false }: Checking = {}): Promise<Checked> {
  const configuration = readConfiguration(configPath(file, env), env);
  if (configuration.sources === undefined)
    return { findings: configuration.findings, files: [configuration.file], policies: 0 };
  const sources = readSources(configuration.sources);
  const { rules, findings, place } = readRules(sources);
  const graph = Graph.read(sources.relationships.text, sources.relationships.name);
  const world = readWorld(configuration.world, rules);
  const read = [
    configuration.file,
    sources.relationships,
    ...sources.actions,
    ...sources.policies,
    ...(world === undefined ? [] : [world.file]),
  ];
  const found: Finding[] = [
    ...configuration.findings,
    ...findings,
    ...(graph instanceof Graph ? await refusedBySpiceDb(graph) : []),
    ...(world?.findings ?? []),
    ...(rules === undefined || configuration.config === undefined
      ? []
      : misfits(configuration.config, rules.vocabulary).map(({ path, message, suggestion }): Finding => ({
          rule: 'config-invalid',
          severity: 'error',
          ...configuration.locate(path),
          message,
          ...(suggestion === undefined ? {} : { suggestion }),
        }))),
  ];
  // Tests stand on all the rest.
  const sound = tests && !found.some(isError);
  const tested =
    sound && rules !== undefined ? await runTests(configuration.sources, configuration.world, rules) : UNTESTED;
  const files = [...read, ...tested.files];
  const { unseen } = tested;
  if (rules !== undefined) found.push(...tested.findings, ...lint({ rules, place, unseen }));
  const left = withoutIgnored(found, files, {
    complete: rules !== undefined,
    skipped: unseen === undefined ? [untestedPermit.rule] : [],
  });
  const order = new Map(files.map(({ name }, i) => [name, i]));
  return {
    findings: left.toSorted(
      (a, b) =>
        (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1) ||
        a.line - b.line ||
        a.column - b.column ||
        Number(isError(b)) - Number(isError(a)),
    ),
    files,
    policies: rules?.policies.size ?? 0,
  };
}

const UNTESTED: Tests = { files: [], findings: [], unseen: undefined };

/** The world, by itself where the rules don't fit, and otherwise against them. */
function readWorld(
  path: string | undefined,
  rules: Rules | undefined,
): { readonly file: SourceFile; readonly findings: readonly Finding[] } | undefined {
  if (path === undefined) return undefined;
  const read = readYaml(path, worldFormat, { what: 'world', rule: 'world-invalid' });
  const findings = [...read.findings];
  if (read.value !== undefined && rules !== undefined)
    examineWorld(read.value, rules, ({ rule, path: at, message }) => {
      const [, text = message, suggestion] = /^(.*?) \((did you mean .*\?)\)$/s.exec(message) ?? [];
      const finding = { rule, severity: 'error' as const, ...read.locate(at), message: text };
      findings.push(suggestion === undefined ? finding : { ...finding, suggestion });
    });
  return { file: read.file, findings };
}
