/** The error of a file that a command can't write, named as the other files of messages are. */
import { displayPath } from '../config/files.js';
import { ConfigError } from '../model/faults.js';

export function unwritable(error: unknown, path: string): ConfigError {
  return new ConfigError(
    `can't be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    displayPath(path),
  );
}
