/** Running tests again whenever one of the files changes that they are made of. */
import { existsSync, statSync, watch as watchFiles, type FSWatcher } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config/config.js';
import { ConfigError } from '../model/faults.js';
import { Usage } from './command.js';

/** An editor that saves writes more than once. */
const QUIET_MS = 100;
const RELEVANT = /\.(cedar|cedarschema|zed|ya?ml)$/;

/**
 * Runs at once and after each change, one run at a time, until SIGINT or SIGTERM. What can't be used is said, and the
 * next change awaited.
 * @returns the exit code: of the last run
 * @throws whatever is a bug, or a configuration that can't be read to begin with
 */
export async function watch(
  once: () => Promise<number>,
  config: () => Config,
  paths: readonly string[],
): Promise<number> {
  const watchers = roots(config(), paths).map(({ path, recursive }) =>
    watchFiles(path, { recursive }, (_event, name) => {
      if (name === null || RELEVANT.test(name)) changed();
    })
      // A directory that is gone: the run will say so.
      .on('error', () => changed()),
  );
  let wake: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  let pending = true;
  let ended = false;
  const changed = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      pending = true;
      wake();
    }, QUIET_MS);
  };
  const end = (): void => {
    ended = true;
    wake();
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  let code = 0;
  try {
    for (;;) {
      if (isOver()) return code;
      if (!pending) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      pending = false;
      code = await once().catch(said);
      if (!isOver()) process.stdout.write('\nwaiting for a change …\n');
    }
  } finally {
    clearTimeout(timer);
    close(watchers);
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  }

  function isOver(): boolean {
    return ended;
  }
}

/** What doesn't fit for now. @throws what is no such error */
function said(error: unknown): number {
  if (!(error instanceof ConfigError || error instanceof Usage)) throw error;
  process.stderr.write(`remit: ${error.message}\n`);
  return 2;
}

function close(watchers: readonly FSWatcher[]): void {
  for (const watcher of watchers) watcher.close();
}

/** Directories, since many editors put a new file in the place of the old one. */
function roots({ file, sources, world }: Config, paths: readonly string[]): { path: string; recursive: boolean }[] {
  const single = [file, sources.relationships, ...sources.actions, ...(world === undefined ? [] : [world])];
  const given = paths.map((path) => resolve(path)).filter((path) => existsSync(path));
  const recursive = [sources.policies, ...given.filter((path) => statSync(path).isDirectory())];
  const flat = [...single, ...given.filter((path) => statSync(path).isFile())].map((path) => dirname(path));
  const all = new Map(flat.map((path) => [path, false]));
  for (const path of recursive) all.set(path, true);
  return [...all].map(([path, deep]) => ({ path, recursive: deep })).filter(({ path }) => existsSync(path));
}
