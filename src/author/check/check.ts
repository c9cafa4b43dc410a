/**
 * Checking: all that is wrong with a configuration, its schemas, policies and world, and all that is dubious about
 * them. The service reads them by the same code, and refuses the errors.
 */
import { configPath, type Environment } from '../../config/config.js';
import { misfits } from '../../config/check-references.js';
import { boundedSource, readSources } from '../../config/files.js';
import { readYaml } from '../../config/yaml.js';
import { isError, type Finding } from '../../diagnostics/diagnostics.js';
import { Graph } from '../../graph/schema/schema.js';
import { readRules, type Rules, type RuleSources } from '../../policy/load.js';
import type { SourceFile } from '../../diagnostics/source.js';
import { examineWorld, worldFormat } from '../../config/world.js';
import { readConfiguration } from './configuration.js';
import { withoutIgnored } from './ignores.js';
import { lint } from '../../policy/lint/lints.js';
import { untestedPermit } from '../../policy/lint/untested-permit.js';
import { refusedBySpiceDb } from './spicedb.js';
import type { Tests } from './tests.js';

export interface Checked {
  /** By file, line and column. */
  readonly findings: readonly Finding[];
  /** All that were read. */
  readonly files: readonly SourceFile[];
  /** undefined where there is an error in them. */
  readonly rules: Rules | undefined;
}

export interface Checking {
  readonly env?: Environment | undefined;
  /** Runs the tests beside the policies as well: without them no permit is called untested. */
  readonly tests?: boolean | undefined;
}

/** What is checked together with the rules, and comes before them. */
interface Beside {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
  /** What is wrong with it by these rules. */
  readonly fitting: (rules: Rules) => readonly Finding[];
}

/**
 * @param file as `--config` names it
 * @throws ConfigError where a file isn't there; Fault where SpiceDB doesn't start
 */
export async function check(file: string | undefined, { env, tests = false }: Checking = {}): Promise<Checked> {
  const configuration = readConfiguration(configPath(file, env), env);
  if (configuration.sources === undefined)
    return { findings: configuration.findings, files: [configuration.file], rules: undefined };
  const sources = readSources(configuration.sources);
  const graph = Graph.read(sources.relationships.text, sources.relationships.name);
  const { world, config } = configuration;
  const read = readAll(sources, world === undefined ? undefined : boundedSource(world), {
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
  });
  // Tests stand on all the rest.
  if (!tests || read.rules === undefined || read.found.some(isError)) return conclude(read);
  // They take SpiceDB and all that decides, which a check without them need not have.
  const { runTests } = await import('./tests.js');
  return conclude(read, await runTests(configuration.sources, world, read.rules));
}

/** The rules and the world, as far as that can be said without an engine. */
export function examine(sources: RuleSources, world: SourceFile | undefined): Checked {
  return conclude(readAll(sources, world));
}

interface Read extends Pick<ReturnType<typeof readRules>, 'rules' | 'place'> {
  readonly files: readonly SourceFile[];
  readonly found: readonly Finding[];
}

function readAll(sources: RuleSources, world: SourceFile | undefined, beside?: Beside): Read {
  const { rules, findings, place } = readRules(sources);
  return {
    rules,
    place,
    files: [
      ...(beside?.files ?? []),
      sources.relationships,
      ...sources.actions,
      ...sources.policies,
      ...(world === undefined ? [] : [world]),
    ],
    found: [
      ...(beside?.findings ?? []),
      ...findings,
      ...(world === undefined ? [] : examinedWorld(world, rules)),
      ...(rules === undefined ? [] : (beside?.fitting(rules) ?? [])),
    ],
  };
}

const UNTESTED: Tests = { files: [], findings: [], unseen: undefined };

/** With the lints, in order, and without what the files themselves say is to be passed over. */
function conclude({ rules, place, files: read, found }: Read, { unseen, ...tests } = UNTESTED): Checked {
  const files = [...read, ...tests.files];
  const linted = rules === undefined ? [] : lint({ rules, place, unseen });
  const left = withoutIgnored([...found, ...tests.findings, ...linted], files, {
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
