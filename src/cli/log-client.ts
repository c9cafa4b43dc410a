/** Reads the log through a service, page by page, for the commands of `remit audit`. */
import { openCheckpointByAny } from '../audit/checkpoint.js';
import { NoteRefused, parseNoteKey, type NoteKey } from '../audit/signed-note.js';
import type { TreeHead } from '../audit/tree.js';
import { ConfigError } from '../model/faults.js';
import { isUuid } from '../model/ids.js';
import type { ShownLeaf } from '../records/verify-log.js';
import { acceptedBody, acceptedText, type ServiceClient } from './service-client.js';

/** @param first the index or the id of the leaf to begin with @throws UsageError where the service refuses */
export async function* readLogEntries(
  client: ServiceClient,
  withRecords: boolean,
  first = '0',
): AsyncGenerator<ShownLeaf> {
  for (let from = isUuid(first) ? `from_id=${first}` : `from=${first}`; ;) {
    const path = `/v1/audit/entries?${from}&records=${String(withRecords)}`;
    const { entries } = acceptedBody(await client.get(path)) as { entries: readonly ShownLeaf[] };
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined) return;
    from = `from=${last.index + 1}`;
  }
}

/** The public key that the service shows. @throws UsageError where the log isn't signed */
export async function fetchLogKey(client: ServiceClient): Promise<NoteKey> {
  return parseNoteKey(acceptedText(await client.get('/v1/audit/key')));
}

/** The name of the log; that of the product where nothing signs it. @throws UsageError */
export async function fetchLogOrigin(client: ServiceClient): Promise<string> {
  const reply = await client.get('/v1/audit/key');
  return reply.status === 404 ? 'remit' : parseNoteKey(acceptedText(reply)).name;
}

/** The head of the log as it is signed now. @throws UsageError, ConfigError where none of the keys has signed it */
export async function fetchLogHead(client: ServiceClient, keys: readonly NoteKey[]): Promise<TreeHead> {
  return openNamedCheckpoint(
    acceptedText(await client.get('/v1/audit/checkpoint')),
    keys,
    'the checkpoint of the service',
  );
}

/** @throws ConfigError naming where the checkpoint is from */
export function openNamedCheckpoint(note: string, keys: readonly NoteKey[], name: string): TreeHead {
  try {
    return openCheckpointByAny(note, keys);
  } catch (error) {
    if (error instanceof NoteRefused) throw new ConfigError(`can not be used: ${error.message}`, name);
    throw error;
  }
}
