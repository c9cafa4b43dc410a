/** Warnings about a token that can be made and will be denied. `remit token mint` and `remit decide` print them. */
import type { Config } from '../config/config.js';
import { readSources } from '../config/files.js';
import { didYouMean } from '../diagnostics/suggest.js';
import { ConfigError } from '../model/faults.js';
import { listKnownScopes } from '../policy/known-scopes.js';
import { loadRules } from '../policy/load.js';
import { listScopes } from '../policy/schema/vocabulary.js';
import { escapedLines } from './print/terminal.js';

/** Describes ids that begin with the type that their option already says. */
export function findTypedIds(options: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(options).flatMap(([option, id = '']) => {
    const [, type = '', rest = ''] = /^(user|agent):(.+)$/s.exec(id) ?? [];
    return type === ''
      ? []
      : [`${option} takes the id without its type: "${id}" is taken as a whole, not as "${rest}"`];
  });
}

/** Describes scopes that no action has and no policy names. Rules that can't be read are for `remit check` to report. */
export function findUnknownScopes(scope: string, { sources }: Pick<Config, 'sources'>): string[] {
  try {
    const rules = loadRules(readSources(sources));
    const knownScopes = listKnownScopes(rules);
    const names = listScopes(rules.vocabulary).map((covered) => covered.scope);
    return scope
      .split(' ')
      .filter((name) => name !== '' && !knownScopes.has(name))
      .map((name) => `no action has the scope "${name}"${didYouMean(name, names)}`);
  } catch (error) {
    if (error instanceof ConfigError) return [`--scope can't be checked: ${error.message}`];
    throw error;
  }
}

/** Prints each on standard error, a line each: standard output is the command's result alone. */
export function printWarnings(warnings: readonly string[]): void {
  process.stderr.write(escapedLines(warnings.map((warning) => `remit: warning: ${warning}`)));
}
