/** The schema that a validation file is tested with: its own, that of a file beside it, or the configuration's. */
import { dirname, join, resolve } from 'node:path';
import { displayPath, readBoundedSource, requireKind } from '../../config/files.js';
import { composeSchema, SchemaImportError, type SchemaLine } from '../../graph/schema/imports.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import { ConfigError } from '../../model/faults.js';
import type { ValidationFile } from './validation-file.js';

export interface ValidationSchema {
  readonly text: string;
  /** Names it in errors. */
  readonly file: string;
  /** Writes the place of a line and column of the text. */
  readonly formatPlace: (line: number, column: number) => string;
}

/**
 * @param path of the validation file
 * @param configured the schema of the configuration, for a file that names none
 * @throws ConfigError where it can't be read, or names both a schema and a file
 */
export function readValidationSchema(
  { schema, schemaFile }: Pick<ValidationFile, 'schema' | 'schemaFile'>,
  path: string,
  configured: GraphSchema,
): ValidationSchema {
  const [text, fileName] = [schema ?? '', schemaFile ?? ''];
  if (text !== '' && fileName !== '')
    throw new ConfigError('the file has both "schema" and "schemaFile", and may have only one', displayPath(path));
  if (text !== '') return compose(text, `${displayPath(path)} (schema)`, dirname(path));
  if (fileName === '') {
    const { file } = configured;
    return { text: configured.text, file, formatPlace: (line, column) => `${file}:${line}:${column}` };
  }
  const file = resolve(dirname(path), fileName);
  return compose(readSchema(file), displayPath(file), dirname(file));
}

/** @param directory where imports are looked for. @throws ConfigError */
function compose(text: string, file: string, directory: string): ValidationSchema {
  const fileOf = ({ path }: SchemaLine): string => (path === '' ? file : displayPath(join(directory, path)));
  try {
    const composed = composeSchema(text, (path) => readSchema(join(directory, path)));
    const formatPlace = (line: number, column: number): string => {
      const origin = composed.locateLine(line);
      return `${fileOf(origin)}:${origin.line}:${column}`;
    };
    return { text: composed.text, file, formatPlace };
  } catch (error) {
    if (error instanceof SchemaImportError)
      throw new ConfigError(error.message, `${fileOf(error.at)}:${error.at.line}`);
    throw error;
  }
}

function readSchema(path: string): string {
  return readBoundedSource(requireKind(path, 'a SpiceDB schema')).text;
}
