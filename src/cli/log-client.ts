/** Reads the log through a service, page by page, for the commands of `remit audit`. */
import { openCheckpointByAny } from '../audit/checkpoint.js';
import { NoteRefused, parseNoteKey, type NoteKey } from '../audit/signed-note.js';
import type { TreeHead } from '../audit/tree.js';
import { ConfigError } from '../model/faults.js';
import { isUuid } from '../model/ids.js';
import { selectRetention, type SelectedRetention, type ShownRetention } from '../records/opened-retention.js';
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

/**
 * Reads what the retention has pruned, by the newest note that one of the keys has signed.
 * @param keys of the log; none where nothing signs it
 */
export async function fetchRetention(client: ServiceClient, keys: readonly NoteKey[]): Promise<SelectedRetention> {
  const { retentions } = acceptedBody(await client.get('/v1/audit/retention')) as {
    readonly retentions: readonly ShownRetention[];
  };
  return selectRetention(retentions, keys, new Date());
}

/** The public key that the service shows. @throws UsageError where the log isn't signed */
export async function fetchLogKey(client: ServiceClient): Promise<NoteKey> {
  return parseNoteKey(acceptedText(await client.get('/v1/audit/key')));
}

/** The public key that the service shows; undefined where nothing signs the log. @throws UsageError */
export async function findLogKey(client: ServiceClient): Promise<NoteKey | undefined> {
  const reply = await client.get('/v1/audit/key');
  return reply.status === 404 ? undefined : parseNoteKey(acceptedText(reply));
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
