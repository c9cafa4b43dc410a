/** Opens the log of records: the key that signs it, and the witnesses that it is held against before anything is added. */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { toNoteKey, type NoteKey } from '../audit/signed-note.js';
import { readAuditKey } from '../config/audit.js';
import type { Config } from '../config/config.js';
import { ConfigError, Fault } from '../model/faults.js';
import { LogProofs } from '../records/log-proofs.js';
import { WitnessSender } from '../records/log-witness.js';
import { Sequencer, type LogSigner } from '../records/sequencer.js';
import { ensureSecretFile } from '../runtime/secret-file.js';
import type { Database } from '../store/database/port.js';
import { LogStore } from '../store/log-store.js';
import type { MetaStore } from '../store/meta.js';
import type { Log } from '../telemetry/log.js';

const KEY_FILE = 'audit.key';

/** The log of records as a service has it. */
export interface AuditLog {
  readonly store: LogStore;
  readonly proofs: LogProofs;
  readonly sequencer: Sequencer;
  readonly witnesses: readonly WitnessSender[];
  /** The public key; undefined where the log isn't signed. */
  readonly key: NoteKey | undefined;
}

/**
 * @throws ConfigError where the key can't be used, or where the log doesn't begin with what a witness has: then nothing
 * must be added to it before an operator has looked
 */
export async function openAuditLog(
  config: Pick<Config, 'audit' | 'data' | 'database'>,
  database: Database,
  meta: MetaStore,
  log: Log,
): Promise<AuditLog> {
  const store = new LogStore(database);
  const signer = await openSigner(config, meta);
  const key = signer && toNoteKey(signer.origin, signer.privateKey);
  if (key === undefined)
    log('The audit log is kept, and nothing signs it: audit.key_file names the key that would.', {
      event: 'log_unsigned',
    });
  const formerKey = signer?.formerKey && toNoteKey(signer.origin, signer.formerKey);
  const witnesses = key === undefined ? [] : config.audit.witnesses.map((witness) => new WitnessSender(witness, { store, key, formerKey, log })); // prettier-ignore
  if (key === undefined && config.audit.witnesses.length > 0)
    throw new ConfigError('takes signed checkpoints, so audit.key_file is needed as well', 'audit.witnesses');
  for (const witness of witnesses) await witness.requireGrowth().catch(refuseStart);
  return { store, proofs: new LogProofs(store), sequencer: new Sequencer(store, signer), witnesses, key };
}

async function openSigner(
  { audit, data, database }: Pick<Config, 'audit' | 'data' | 'database'>,
  meta: MetaStore,
): Promise<LogSigner | undefined> {
  const file = audit.keyFile ?? (database.mode === 'embedded' ? await ensureOwnKey(data) : undefined);
  if (file === undefined) return undefined;
  return {
    origin: audit.origin ?? `remit/${await meta.require('store_id')}`,
    privateKey: readAuditKey(file),
    ...(audit.formerKeyFile === undefined
      ? {}
      : { formerKey: readAuditKey(audit.formerKeyFile, 'audit.former_key_file') }),
  };
}

/** The key of an embedded database lies beside it. It shows what others change, and nothing to who owns the directory. */
async function ensureOwnKey(data: string): Promise<string> {
  const file = join(data, KEY_FILE);
  await ensureSecretFile(file, () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  });
  return file;
}

/** @throws ConfigError that says what was found; other faults as they are */
function refuseStart(error: unknown): never {
  if (error instanceof Fault && error.code === 'log_damaged')
    throw new ConfigError(
      `${error.detail ?? error.message}. Where a backup was restored on purpose, set the kept checkpoints aside and start again`,
      'audit.witnesses',
    );
  throw error;
}
