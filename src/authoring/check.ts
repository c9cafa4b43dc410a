/**
 * Checking: all that is wrong with a configuration, its schemas, policies and world, and all that is dubious about
 * them. The service reads them by the same code, and refuses the errors.
 */
import { configPath, type Environment } from '../config.js';
import { misfits } from '../config/fits.js';
import { readSources, readYaml, source } from '../config/files.js';
import { isError, type Finding } from '../rules/findings.js';
import { Graph } from '../rules/graph.js';
import { readRules, type Rules, type RuleSources } from '../rules/load.js';
import type { SourceFile } from '../rules/source.js';
import { examineWorld, worldFormat } from '../world.js';
import { readConfiguration } from './configuration.js';
import { withoutIgnored } from './ignores.js';
import { lint } from './lints.js';
import { untestedPermit } from './lints/untested-permit.js';
import { refusedBySpiceDb } from './spicedb.js';

export interface Checked {
  /** By file, line and column. */
  readonly findings: readonly Finding[];
  /** All that were read. */
  readonly files: readonly SourceFile[];
  readonly policies: number;
}

export interface Checking {
  readonly env?: Environment | undefined;
  /** Ids of the policies that the tests show deciding; without it no permit is called untested. */
  readonly tested?: ReadonlySet<string> | undefined;
}

/**
 * @param file as `--config` names it
 * @throws ConfigError where a file isn't there; Fault where SpiceDB doesn't start
 */
export async function check(file: string | undefined, { env, tested }: Checking = {}): Promise<Checked> {
  const configuration = readConfiguration(configPath(file, env), env);
  if (configuration.sources === undefined)
    return { findings: configuration.findings, files: [configuration.file], policies: 0 };
  const sources = readSources(configuration.sources);
  const graph = Graph.read(sources.relationships.text, sources.relationships.name);
  const { world, config } = configuration;
  const examined = examine(sources, {
    world: world === undefined ? undefined : source(world),
    tested,
    beside: {
      files: [configuration.file],
      findings: [...configuration.findings, ...(graph instanceof Graph ? await refusedBySpiceDb(graph) : [])],
      fitting: ({ vocabulary }) =>
        (config === undefined ? [] : misfits(config, vocabulary)).map(({ path, message, suggestion }): Finding => ({
          rule: 'config-invalid',
          severity: 'error',
          ...configuration.locate(path),
          message,
          ...(suggestion === undefined ? {} : { suggestion }),
        })),
    },
  });
  const { findings, files, rules } = examined;
  return { findings, files, policies: rules?.policies.size ?? 0 };
}

export interface Examining {
  readonly world?: SourceFile | undefined;
  readonly tested?: ReadonlySet<string> | undefined;
  /** What is checked together with the rules, and comes before them. */
  readonly beside?: {
    readonly files: readonly SourceFile[];
    readonly findings: readonly Finding[];
    /** What is wrong with it by these rules. */
    readonly fitting: (rules: Rules) => readonly Finding[];
  };
}

export interface Examined extends Omit<Checked, 'policies'> {
  /** undefined where there is an error in them. */
  readonly rules: Rules | undefined;
}

/** The rules and the world, as far as that can be said without an engine. */
export function examine(sources: RuleSources, { world: file, tested, beside }: Examining = {}): Examined {
  const { rules, findings, place } = readRules(sources);
  const files = [
    ...(beside?.files ?? []),
    sources.relationships,
    ...sources.actions,
    ...sources.policies,
    ...(file === undefined ? [] : [file]),
  ];
  const found: Finding[] = [
    ...(beside?.findings ?? []),
    ...findings,
    ...(file === undefined ? [] : examinedWorld(file, rules)),
    ...(rules === undefined ? [] : [...(beside?.fitting(rules) ?? []), ...lint({ rules, place, tested })]),
  ];
  const left = withoutIgnored(found, files, {
    complete: rules !== undefined,
    skipped: tested === undefined ? [untestedPermit.rule] : [],
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
    rules,
  };
}

/** The world, by itself where the rules don't fit, and otherwise against them. */
function examinedWorld(file: SourceFile, rules: Rules | undefined): readonly Finding[] {
  const read = readYaml(file, worldFormat, { what: 'world', rule: 'world-invalid' });
  const findings = [...read.findings];
  if (read.value !== undefined && rules !== undefined)
    examineWorld(read.value, rules, ({ rule, path: at, message }) => {
      const [, text = message, suggestion] = /^(.*?) \((did you mean .*\?)\)$/s.exec(message) ?? [];
      const finding = { rule, severity: 'error' as const, ...read.locate(at), message: text };
      findings.push(suggestion === undefined ? finding : { ...finding, suggestion });
    });
  return findings;
}
