/** `remit schema`: the JSON Schemas of the YAML files, for editors. */
import { join, resolve } from 'node:path';
import { jsonSchemas } from '../author/check/json-schemas.js';
import { writeFiles } from '../author/check/write-files.js';
import { displayPath } from '../config/files.js';
import { defineCommand } from './command/define-command.js';
import { printJsonLine } from './print/terminal.js';

export const schemaCommand = defineCommand({
  name: 'schema',
  description: `
    Writes the JSON Schemas of this version's YAML files, with which editors complete and check them. A YAML file names
    its schema in its first line:

    # yaml-language-server: $schema=<DIR>/config.schema.json`,
  positionals: [{ name: 'DIR', description: 'one directory, which is made where it does not exist' }],
  options: { json: { description: 'prints {"files": […]}' } },
  examples: ['remit schema schema/json'],
  run: async ({ positionals: [argument], options }) => {
    const directory = resolve(argument);
    const schemas = jsonSchemas();
    writeFiles(directory, schemas, true);
    const files = [...schemas.keys()].map((file) => displayPath(join(directory, file)));
    if (options.json) printJsonLine({ files });
    else process.stdout.write(`${files.join('\n')}\n`);
    return 0;
  },
});
