/** The version of this installation, which package.json states. */
import { readFileSync } from 'node:fs';
import { parseStrictJson } from './strict-json.js';

const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');

export const VERSION = (parseStrictJson(manifest) as { version: string }).version;
