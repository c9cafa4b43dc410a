/**
 * Writes what an import makes. A file that its author has changed is theirs: it is left as it is, and named. What an import
 * wrote is known by a digest of each file, so that what is unchanged can follow the server's tools.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { displayPath, readTextFile } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { sha256 } from '../../runtime/sha256.js';
import { parseStrictJson, StrictJsonError } from '../../runtime/strict-json.js';
import { Formatter } from '../check/format.js';
import { jsonSchemas } from '../check/json-schemas.js';
import { writeFiles } from '../check/write-files.js';
import { companyFiles } from './company-files.js';
import type { ImportedServer } from './imported-server.js';
import { listPinnedServers, pinnedPath, pinnedServerText, readPinnedServer } from './pinned-server.js';
import { serverFiles } from './server-files.js';

const DIGESTS_FILE = 'mcp/written/digests.json';
const digestsFormat = z.record(z.string(), z.string());

export interface WrittenImport {
  /** Paths relative to the directory, sorted; those that were there already are in `updated` and `unchanged`. */
  readonly made: readonly string[];
  readonly updated: readonly string[];
  readonly unchanged: readonly string[];
  /** Files that differ from what the import makes, and that were left since their author has changed them. */
  readonly kept: readonly string[];
}

/**
 * @param replace writes over what the author has changed
 * @throws ConfigError where a file can't be read or written
 */
export function writeImport(directory: string, imported: ImportedServer, replace: boolean): WrittenImport {
  const others = listPinnedServers(directory).filter((server) => server !== imported.server);
  const servers = [imported, ...others.map((server) => readPinnedServer(directory, server))].toSorted((a, b) =>
    a.server < b.server ? -1 : 1,
  );
  const texts = new Map([
    ...[...jsonSchemas()].map(([file, text]) => [`.schemas/${file}`, text] as const),
    ...companyFiles(servers),
    ...serverFiles(imported),
    [pinnedPath(imported.server), pinnedServerText(imported.server, imported.tools.map((tool) => tool.definition))],
  ]); // prettier-ignore
  const formatter = new Formatter();
  for (const [name, text] of texts) if (name.endsWith('.cedar')) texts.set(name, formatter.format({ name, text }));
  return writeChanges(directory, texts, replace);
}

function writeChanges(directory: string, texts: ReadonlyMap<string, string>, replace: boolean): WrittenImport {
  const digests = readDigests(directory);
  const result = { made: [], updated: [], unchanged: [], kept: [] } satisfies Record<keyof WrittenImport, string[]>;
  const lists: Record<keyof WrittenImport, string[]> = result;
  const changes = new Map<string, string>();
  for (const [file, text] of [...texts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const current = readExisting(join(directory, file));
    const isOwn = current !== undefined && digests.get(file) === sha256(current);
    const state =
      current === undefined ? 'made' : current === text ? 'unchanged' : isOwn || replace ? 'updated' : 'kept';
    lists[state].push(file);
    if (state === 'made' || state === 'updated') changes.set(file, text);
    if (state !== 'kept') digests.set(file, sha256(text));
  }
  const digestsText = `${JSON.stringify(Object.fromEntries([...digests].sort()), undefined, 2)}\n`;
  if (readExisting(join(directory, DIGESTS_FILE)) !== digestsText) changes.set(DIGESTS_FILE, digestsText);
  writeFiles(directory, changes, true);
  return result;
}

function readExisting(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readTextFile(path);
}

/** The digests of what earlier imports wrote, by path. @throws ConfigError where the file isn't as it was written */
function readDigests(directory: string): Map<string, string> {
  const path = join(directory, DIGESTS_FILE);
  const text = readExisting(path);
  if (text === undefined) return new Map();
  try {
    return new Map(Object.entries(digestsFormat.parse(parseStrictJson(text))));
  } catch (error) {
    if (!(error instanceof StrictJsonError || error instanceof z.ZodError)) throw error;
    throw new ConfigError('is not as an import writes it; without it, files that differ are kept', displayPath(path));
  }
}
