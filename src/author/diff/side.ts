/** One of the two that are compared: a configuration file, a directory with one, or either in a revision of git. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readConfiguration } from '../check/configuration.js';
import { readSources, shown, type SourcePaths } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { refuseErrors } from '../../diagnostics/diagnostics.js';
import { loadRules, type Rules, type RuleSources } from '../../policy/load.js';
import type { Case } from '../test/case.js';
import { testFilesBeside } from '../test/files.js';
import { Unusable, type Place } from '../test/places.js';
import { readSuites, worlds } from '../test/session.js';
import { checkOut } from './revision.js';

export interface Side {
  /** As it was named. */
  readonly name: string;
  readonly rules: Rules;
  /** The cases of its tests. @throws ConfigError, Unusable */
  readonly cases: () => readonly Case[];
  readonly close: () => void;
}

/** `rev:path`; a path may have a colon as well, and is then taken for what is there. */
const REVISION = /^(?<revision>[^:]+):(?<path>.*)$/s;

/** @throws ConfigError naming what can't be read, or doesn't fit */
export function openSide(name: string): Side {
  const parts = existsSync(name) ? undefined : REVISION.exec(name)?.groups;
  if (parts === undefined)
    return sideOf(
      name,
      configurationAt(resolve(name)),
      (text) => text,
      () => undefined,
    );
  const { revision = '', path = '' } = parts;
  const { directory, close } = checkOut(revision, path);
  // What is wrong is told by where it is in the revision, and not by where it has been put.
  const named: Named = (text) =>
    text.replaceAll(`${shown(directory)}/`, `${revision}:`).replaceAll(`${directory}/`, `${revision}:`);
  try {
    return sideOf(name, configurationAt(join(directory, path)), named, close);
  } catch (error) {
    close();
    if (error instanceof ConfigError) throw new ConfigError(named(error.message));
    throw error;
  }
}

function sideOf(name: string, file: string, named: Named, close: () => void): Side {
  const { sources, world, findings } = readConfiguration(file);
  if (sources === undefined) {
    refuseErrors(findings);
    throw new ConfigError('names no schema and no policies', shown(file));
  }
  const rules = loadRules(renamed(readSources(sources), named));
  return { name, rules, cases: () => casesOf(sources, world, rules, named), close };
}

function casesOf(sources: SourcePaths, world: string | undefined, rules: Rules, named: Named): readonly Case[] {
  try {
    const suites = readSuites(testFilesBeside(sources).suites, { rules, world: worlds(world, rules) });
    return suites
      .flatMap(({ cases }) => cases)
      .map(({ expected, ...one }) => ({ ...one, expected: { ...expected, place: moved(expected.place, named) } }));
  } catch (error) {
    if (error instanceof Unusable) throw new Unusable(error.problems.map((problem) => moved(problem, named)));
    if (error instanceof ConfigError) throw new ConfigError(named(error.message));
    throw error;
  }
}

function moved<T extends Place>(place: T, named: Named): T {
  return { ...place, file: named(place.file) };
}

function renamed({ relationships, actions, policies }: RuleSources, named: Named): RuleSources {
  const rename = (file: RuleSources['relationships']): RuleSources['relationships'] => ({
    ...file,
    name: named(file.name),
  });
  return { relationships: rename(relationships), actions: actions.map(rename), policies: policies.map(rename) };
}

/** Says where something is in words of whoever named the side. */
type Named = (text: string) => string;

const CONFIGURATION = /(^|\.)remit\.ya?ml$/;

/** The file itself, or the one configuration of a directory. @throws ConfigError */
export function configurationAt(path: string): string {
  const state = statSync(path, { throwIfNoEntry: false });
  if (state === undefined) throw new ConfigError('there is no such file or directory', shown(path));
  if (!state.isDirectory()) return path;
  const files = readdirSync(path)
    .filter((file) => CONFIGURATION.test(file))
    .sort();
  const only = files.find((file) => /^remit\.ya?ml$/.test(file)) ?? (files.length === 1 ? files[0] : undefined);
  if (only !== undefined) return join(path, only);
  const which = files.length === 0 ? 'there is no remit.yaml here' : `name one of ${files.join(', ')}`;
  throw new ConfigError(which, shown(path));
}
