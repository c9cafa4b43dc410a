/**
 * `mcp/<server>.json`: the definitions of a server's tools as their author accepted them by importing them. What the other
 * files say is made of it, and `remit mcp check` reads it.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { displayPath, readBoundedSource } from '../../config/files.js';
import { isServerName } from '../../mcp/resource-id.js';
import { digestTool, type ToolDefinition } from '../../mcp/tool-definition.js';
import { ConfigError } from '../../model/faults.js';
import { MAX_JSON_DEPTH, parseStrictJson, StrictJsonError } from '../../runtime/strict-json.js';
import { importTools, type ImportedServer } from './imported-server.js';

const PINNED_DIRECTORY = 'mcp';
/** A definition has the depth of a request, within the file's own levels. */
const PINNED_DEPTH = MAX_JSON_DEPTH + 3;

const pinnedServerFormat = z.strictObject({
  server: z.string().refine(isServerName),
  tools: z.array(z.strictObject({ digest: z.string(), definition: z.record(z.string(), z.unknown()) })),
});

export function pinnedPath(server: string): string {
  return `${PINNED_DIRECTORY}/${server}.json`;
}

export function pinnedServerText(server: string, tools: readonly ToolDefinition[]): string {
  const pinned = tools.map((tool) => ({ digest: digestTool(tool), definition: tool.source }));
  return `${JSON.stringify({ server, tools: pinned }, undefined, 2)}\n`;
}

/** Lists the servers that were imported into the directory, by name. */
export function listPinnedServers(directory: string): string[] {
  const pinned = join(directory, PINNED_DIRECTORY);
  if (statSync(pinned, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(pinned)
    .flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []))
    .filter(isServerName)
    .sort();
}

/** The tools of the other servers that were imported into the directory: the server of each, by name. @throws ConfigError */
export function listTakenTools(directory: string, server: string): Map<string, string> {
  const others = listPinnedServers(directory).filter((name) => name !== server);
  return new Map(
    others.flatMap((other) =>
      readPinnedServer(directory, other).tools.map(({ definition }) => [definition.name, other] as const),
    ),
  );
}

/** @throws ConfigError where the file isn't as an import wrote it */
export function readPinnedServer(directory: string, server: string): ImportedServer {
  const path = join(directory, pinnedPath(server));
  const fail = (problem: string): never => {
    throw new ConfigError(problem, displayPath(path));
  };
  const raw = parsePinnedText(readBoundedSource(path).text, fail);
  const parsed = pinnedServerFormat.safeParse(raw);
  if (!parsed.success) return fail('is not as an import writes it');
  if (parsed.data.server !== server) return fail(`has the tools of the server "${parsed.data.server}"`);
  const { refused, ...imported } = importTools(server, parsed.data.tools.map(({ definition }) => definition)); // prettier-ignore
  const [first] = refused;
  if (first !== undefined) return fail(`the tool ${JSON.stringify(first.tool)} ${first.problem}`);
  for (const { definition } of imported.tools) {
    const pinned = parsed.data.tools.find((tool) => tool.definition['name'] === definition.name);
    if (pinned?.digest !== digestTool(definition))
      return fail(`the tool ${JSON.stringify(definition.name)} is not the one that was accepted: import it again`);
  }
  return imported;
}

function parsePinnedText(text: string, fail: (problem: string) => never): unknown {
  try {
    return parseStrictJson(text, PINNED_DEPTH);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    return fail(`${error.path === '' ? 'the file' : error.path} ${error.message}`);
  }
}
