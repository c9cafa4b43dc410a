/** Running tests again whenever one of the files changes that they are made of. */
import { existsSync, statSync, watch as watchFiles, type FSWatcher } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config/config.js';
import { ConfigError } from '../model/faults.js';
import { UsageError } from './command.js';

/** An editor that saves writes more than once. */
const QUIET_MS = 100;
const WATCHED_FILES = /\.(cedar|cedarschema|zed|ya?ml)$/;

/**
 * Runs at once and after each change, one run at a time, until SIGINT or SIGTERM. What can't be used is said, and the
 * next change awaited.
 * @returns the exit code: of the last run
 * @throws whatever is a bug, or a configuration that can't be read to begin with
 */
export async function watchAndRun(
  runOnce: () => Promise<number>,
  config: () => Config,
  paths: readonly string[],
): Promise<number> {
  const watchers = watchedDirectories(config(), paths).map(({ path, recursive }) =>
    watchFiles(path, { recursive }, (_event, name) => {
      if (name === null || WATCHED_FILES.test(name)) changed();
    })
      // A directory that is gone: the run will say so.
      .on('error', () => changed()),
  );
  let wake: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  let pending = true;
  let stopped = false;
  const changed = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      pending = true;
      wake();
    }, QUIET_MS);
  };
  const stop = (): void => {
    stopped = true;
    wake();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  let code = 0;
  try {
    for (;;) {
      if (isStopped()) return code;
      if (!pending) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      pending = false;
      code = await runOnce().catch(reportAndContinue);
      if (!isStopped()) process.stdout.write('\nwaiting for a change …\n');
    }
  } finally {
    clearTimeout(timer);
    closeWatchers(watchers);
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }

  function isStopped(): boolean {
    return stopped;
  }
}

/** What doesn't fit for now. @throws what is no such error */
function reportAndContinue(error: unknown): number {
  if (!(error instanceof ConfigError || error instanceof UsageError)) throw error;
  process.stderr.write(`remit: ${error.message}\n`);
  return 2;
}

function closeWatchers(watchers: readonly FSWatcher[]): void {
  for (const watcher of watchers) watcher.close();
}

/** Directories, since many editors put a new file in the place of the old one. */
function watchedDirectories(
  { file, sources, world }: Config,
  paths: readonly string[],
): { path: string; recursive: boolean }[] {
  const single = [file, sources.relationships, ...sources.actions, ...(world === undefined ? [] : [world])];
  const existing = paths.map((path) => resolve(path)).filter((path) => existsSync(path));
  const recursive = [sources.policies, ...existing.filter((path) => statSync(path).isDirectory())];
  const flat = [...single, ...existing.filter((path) => statSync(path).isFile())].map((path) => dirname(path));
  const directories = new Map(flat.map((path) => [path, false]));
  for (const path of recursive) directories.set(path, true);
  return [...directories].map(([path, deep]) => ({ path, recursive: deep })).filter(({ path }) => existsSync(path));
}
