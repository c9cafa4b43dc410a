/** A run of tests from a configuration to its report. The ground is kept for the next run, where tests are watched. */
import type { Config } from '../../config/config.js';
import { readSources } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { loadRules, type Rules } from '../../policy/load.js';
import { readWorld, type World } from '../../config/world.js';
import { combination, type Case, type Suite } from './case.js';
import { coverageOf, type Coverage } from './coverage.js';
import { findTestFiles } from './files.js';
import { MAX_CASES } from './format.js';
import { Ground } from './ground.js';
import { Unusable } from './places.js';
import { resultOf, type Result } from './result.js';
import { run, type Tried } from './run.js';
import { readSuite, type Against } from './suite.js';
import { validate } from './validation.js';

export interface Selection {
  /** Files and directories; none: all that there are. */
  readonly paths: readonly string[];
  /** Only cases that have this in their file's name, their test's or their own. */
  readonly filter?: string | undefined;
}

export interface FileReport {
  readonly file: string;
  readonly results: readonly Result[];
}

export interface Report {
  readonly files: readonly FileReport[];
  /** Undefined where no policy was asked. */
  readonly coverage: Coverage | undefined;
  readonly milliseconds: number;
}

export class Session {
  private ground: Ground | undefined;

  /** @throws ConfigError, Unusable; Fault where SpiceDB won't start */
  async run(config: Config, selection: Selection): Promise<Report> {
    const begun = performance.now();
    const rules = loadRules(readSources(config.sources));
    const found = findTestFiles(selection.paths, config.sources);
    const suites = readSuites(found.suites, { rules, world: worlds(config.world, rules) });
    const wanted = selected(selection.filter);
    const chosen = suites.map(({ file, cases }) => ({
      file,
      cases: cases.filter((c) => wanted(file, c.test, combination(c))),
    }));
    const tried = await this.try(
      chosen.flatMap(({ cases }) => cases),
      rules,
    );
    const byCase = new Map(tried.map((t) => [t.case, t]));
    const files: FileReport[] = chosen.map(({ file, cases }) => ({
      file,
      results: cases.flatMap((one) => byCase.get(one) ?? []).map((t) => resultOf(t, rules)),
    }));
    for (const path of found.validations) files.push(await validate(path, rules.graph, wanted));
    const coverage = tried.length === 0 ? undefined : coverageOf(rules, tried);
    return { files, coverage, milliseconds: performance.now() - begun };
  }

  async close(): Promise<void> {
    await this.ground?.close();
  }

  private async try(cases: readonly Case[], rules: Rules): Promise<readonly Tried[]> {
    if (cases.length === 0) return [];
    if (this.ground?.fits(rules) === false) {
      await this.ground.close();
      this.ground = undefined;
    }
    this.ground ??= await Ground.start(rules.graph);
    return run(cases, rules, this.ground);
  }
}

/** @throws Unusable with what is wrong in all of them */
export function readSuites(paths: readonly string[], against: Against): Suite[] {
  const read = paths.map((path) => readSuite(path, against));
  const problems = read.flatMap((one) => ('problems' in one ? one.problems : []));
  if (problems.length > 0) throw new Unusable(problems);
  const suites = read.flatMap((one) => ('suite' in one ? one.suite : []));
  if (suites.reduce((sum, { cases }) => sum + cases.length, 0) > MAX_CASES)
    throw new ConfigError(`there are more than ${MAX_CASES} cases: run fewer files at a time`);
  return suites;
}

/** Each world file read once, so that tests on one world share it. @param own the configuration's */
export function worlds(own: string | undefined, rules: Rules): Against['world'] {
  const read = new Map<string, World>();
  return (path = own) => {
    if (path === undefined) return EMPTY;
    const world = read.get(path) ?? readWorld(path, rules);
    read.set(path, world);
    return world;
  };
}

const EMPTY: World = { relationships: [], entities: [] };

function selected(filter: string | undefined): (...names: readonly string[]) => boolean {
  const text = filter?.toLowerCase();
  return text === undefined ? () => true : (...names) => names.join(' › ').toLowerCase().includes(text);
}
