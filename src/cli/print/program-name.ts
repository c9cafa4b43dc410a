/** The name of this program in the commands that are printed for a shell: they run where they are pasted. */
import { basename, relative } from 'node:path';

/**
 * @param script the path of the script that runs: of a link of the name `remit`, or of the program itself
 * @returns `remit`, or such as `node dist/main.js`
 */
export function nameProgram(script = process.argv[1] ?? '', directory = process.cwd()): string {
  if (basename(script) === 'remit') return 'remit';
  const path = relative(directory, script);
  return `node ${quoteForShell(path.startsWith('..') ? script : path)}`;
}

export function quoteForShell(text: string): string {
  return /^[\w./@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The command that mints a token by the same configuration. @param configOption the value of `--config`, if one was given */
export function nameTokenCommand(configOption: string | undefined): string {
  return `${nameProgram()} token${configOption === undefined ? '' : ` --config ${quoteForShell(configOption)}`}`;
}
