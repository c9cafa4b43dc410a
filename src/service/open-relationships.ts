/** Opens the configured SpiceDB: embedded, with what its journal holds, or a server. */
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { EmbeddedGraph, StoredMisfit } from '../graph/embedded/embedded.js';
import type { GraphEngine } from '../graph/port.js';
import type { GraphSchema } from '../graph/schema/schema.js';
import { ConfigError } from '../model/faults.js';
import type { Database } from '../store/database/port.js';
import { Journal } from '../store/journal.js';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import type { Log } from '../telemetry/log.js';

export interface RelationshipsReports {
  readonly log: Log;
  readonly watch: EngineCallListener;
  /** Called once where the embedded engine is lost after its start. */
  readonly onLost: (reason: string) => void;
}

/** @throws ConfigError where what is stored doesn't fit the schema; Fault where SpiceDB doesn't start */
export async function openRelationships(
  graph: GraphSchema,
  config: Config,
  database: Database,
  { onLost, ...reported }: RelationshipsReports,
): Promise<GraphEngine> {
  if (config.spicedb === undefined)
    return EmbeddedGraph.start(graph, await Journal.open(database), { watch: reported.watch, onLost }).catch(
      (error: unknown) => {
        throw error instanceof StoredMisfit ? addStoreCure(error, config) : error;
      },
    );
  // Loaded on demand: its client takes a tenth of a second to load.
  const { ServerGraph } = await import('../graph/server/server.js');
  return ServerGraph.start(graph, { ...config.spicedb, deadlineMs: config.deadlineMs, ...reported });
}
/** Names the place of what is stored: without a `data` of its own, a company is started on another one's. */
function addStoreCure({ problem, place }: StoredMisfit, { data, database, file }: Config): ConfigError {
  if (database.mode !== 'embedded') return new ConfigError(problem, place);
  const directory = displayPath(data);
  return new ConfigError(
    `${problem}. It is stored in the data directory ${directory}: if another company's relationships are there, give this one a directory of its own, with "data" in ${displayPath(file)} or with REMIT_DATA; if they are its own, delete what no longer fits before the schema changes`,
    place,
  );
}
