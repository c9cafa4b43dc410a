/** `remit schema`: the JSON Schemas of the YAML files, for editors. */
import { join, resolve } from 'node:path';
import { writeFiles } from '../author/check/write-files.js';
import { jsonSchemas } from '../author/check/json-schemas.js';
import { displayPath } from '../config/files.js';
import { readOptions, UsageError, type Command } from './command.js';

const HELP = `
Usage: remit schema DIR [--json]

Writes the JSON Schemas of this version's YAML files into DIR, for editors to complete and check them by. A file names
its own in its first line: # yaml-language-server: $schema=<DIR>/config.schema.json

  --json   prints {"files": […]}
`;

export const schemaCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, { json: { type: 'boolean', default: false } });
    const [argument, extra] = positionals;
    if (argument === undefined || argument === '' || extra !== undefined)
      throw new UsageError('remit schema takes one directory; see remit schema --help');
    const directory = resolve(argument);
    const schemas = jsonSchemas();
    writeFiles(directory, schemas, true);
    const files = [...schemas.keys()].map((file) => displayPath(join(directory, file)));
    process.stdout.write(values.json ? `${JSON.stringify({ files })}\n` : `${files.join('\n')}\n`);
    return 0;
  },
};
