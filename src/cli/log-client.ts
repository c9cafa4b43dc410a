/** Reads the log through a service, page by page, for the commands of `remit audit`. */
import { openCheckpoint } from '../audit/checkpoint.js';
import { NoteRefused, parseNoteKey, type NoteKey } from '../audit/signed-note.js';
import type { TreeHead } from '../audit/tree.js';
import { ConfigError } from '../model/faults.js';
import type { ShownLeaf } from '../records/verify-log.js';
import { acceptedBody, acceptedText, type ServiceClient } from './service-client.js';

/** @throws UsageError where the service refuses */
export async function* readLogEntries(client: ServiceClient, withRecords: boolean): AsyncGenerator<ShownLeaf> {
  for (let from = 0; ;) {
    const path = `/v1/audit/entries?from=${from}&records=${String(withRecords)}`;
    const { entries } = acceptedBody(await client.get(path)) as { entries: readonly ShownLeaf[] };
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined) return;
    from = last.index + 1;
  }
}

/** The public key that the service shows. @throws UsageError where the log isn't signed */
export async function fetchLogKey(client: ServiceClient): Promise<NoteKey> {
  return parseNoteKey(acceptedText(await client.get('/v1/audit/key')));
}

/** The head of the log as it is signed now. @throws UsageError, ConfigError where the key has not signed it */
export async function fetchLogHead(client: ServiceClient, key: NoteKey): Promise<TreeHead> {
  return openNamedCheckpoint(
    acceptedText(await client.get('/v1/audit/checkpoint')),
    key,
    'the checkpoint of the service',
  );
}

/** @throws ConfigError naming where the checkpoint is from */
export function openNamedCheckpoint(note: string, key: NoteKey, name: string): TreeHead {
  try {
    return openCheckpoint(note, key);
  } catch (error) {
    if (error instanceof NoteRefused) throw new ConfigError(`can not be used: ${error.message}`, name);
    throw error;
  }
}
