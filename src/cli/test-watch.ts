/** `remit test --watch`: the tests run again whenever a file changes that they depend on. */
import { existsSync, statSync, watch, type FSWatcher } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config/config.js';
import { ConfigError } from '../model/faults.js';
import { UsageError } from './command/usage-error.js';

/** The time in which nothing must change before a run: an editor writes a file more than once when it saves. */
const QUIET_MS = 100;
const WATCHED_FILES = /\.(cedar|cedarschema|zed|ya?ml)$/;

/**
 * Runs at once and after each change, one run at a time, until SIGINT or SIGTERM. A run that fails with ConfigError or
 * UsageError is reported, and the next change awaited.
 * @param runOnce returns an exit code
 * @param config reads the configuration that names the files
 * @param paths further files and directories to watch
 * @returns the exit code of the last run
 * @throws ConfigError where the configuration can't be read at the start; any other error of a run
 */
export async function watchAndRun(
  runOnce: () => Promise<number>,
  config: () => Config,
  paths: readonly string[],
): Promise<number> {
  let wake: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  let pending = true;
  let stopped = false;
  const onChange = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      pending = true;
      wake();
    }, QUIET_MS);
  };
  const onSignal = (): void => {
    stopped = true;
    wake();
  };
  const watchers = openWatchers(config(), paths, onChange);
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  let exitCode = 0;
  try {
    for (;;) {
      if (isStopped()) return exitCode;
      if (!pending) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      pending = false;
      exitCode = await runOnce().catch(reportAndContinue);
      if (!isStopped()) process.stdout.write('\nwaiting for a change …\n');
    }
  } finally {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }

  // A function, since the compiler doesn't see that a signal changes the variable during an await.
  function isStopped(): boolean {
    return stopped;
  }
}

/** @returns the exit code. @throws the error, where it is neither ConfigError nor UsageError */
function reportAndContinue(error: unknown): number {
  if (!(error instanceof ConfigError || error instanceof UsageError)) throw error;
  process.stderr.write(`remit: ${error.message}\n`);
  return 2;
}

function openWatchers(config: Config, paths: readonly string[], onChange: () => void): FSWatcher[] {
  return watchedDirectories(config, paths).map(({ path, recursive }) =>
    watch(path, { recursive }, (_event, name) => {
      if (name === null || WATCHED_FILES.test(name)) onChange();
    })
      // A directory that was removed: the run reports it.
      .on('error', () => onChange()),
  );
}

/** Directories rather than files, since many editors put a new file in the place of the old one. */
function watchedDirectories(
  { file, sources, world }: Config,
  paths: readonly string[],
): { path: string; recursive: boolean }[] {
  const configured = [file, sources.relationships, ...sources.actions, ...(world === undefined ? [] : [world])];
  const existing = paths.map((path) => resolve(path)).filter((path) => existsSync(path));
  const parents = [...configured, ...existing.filter((path) => statSync(path).isFile())].map((path) => dirname(path));
  const trees = [sources.policies, ...existing.filter((path) => statSync(path).isDirectory())];
  const directories = new Map([
    ...parents.map((path) => [path, false] as const),
    ...trees.map((path) => [path, true] as const),
  ]);
  return [...directories].map(([path, recursive]) => ({ path, recursive })).filter(({ path }) => existsSync(path));
}
