/** JSON Schemas of the YAML files, for editors: made of what the files are read by, so they say the same. */
import { z } from 'zod';
import { configFormat } from '../../config/config.js';
import { testFile } from '../test/format.js';
import { worldFormat } from '../../config/world.js';

const FORMATS: Readonly<Record<string, z.ZodType>> = {
  config: configFormat.meta({ title: 'Remit configuration' }),
  world: worldFormat,
  test: testFile,
};

/** Their texts, by the name of their file. Draft 7 is what YAML's language server knows best. */
export function jsonSchemas(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(FORMATS).map(([name, format]) => {
      const schema = z.toJSONSchema(format, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
      return [`${name}.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`];
    }),
  );
}
