/** JSON Schemas of the YAML files, for editors. They are generated from the zod schemas that read these files. */
import { z } from 'zod';
import { configFormat } from '../../config/config.js';
import { testFileFormat } from '../test/format.js';
import { worldFormat } from '../../config/world.js';

const FILE_FORMATS: Readonly<Record<string, z.ZodType>> = {
  config: configFormat.meta({ title: 'Remit configuration' }),
  world: worldFormat,
  test: testFileFormat,
};

/** @returns each schema's text by its file name. Draft 7 is the one that YAML's language server supports best. */
export function jsonSchemas(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(FILE_FORMATS).map(([name, format]) => {
      const schema = z.toJSONSchema(format, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
      return [`${name}.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`];
    }),
  );
}
