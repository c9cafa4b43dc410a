/** Seals the values of a record, so that only a process with the key reads them, and none once a person's key is gone. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const SEAL_ALGORITHM = 'aes-256-gcm';
const SEAL_NONCE_BYTES = 12;
const SEAL_TAG_BYTES = 16;

/** The key of a row, which needs the keys of all people that it tells of. @param secrets in the order of the row's people */
function deriveRowKey(key: Uint8Array, secrets: readonly Uint8Array[]): Buffer {
  const hmac = createHmac('sha256', key).update('values');
  for (const secret of secrets) hmac.update(secret);
  return hmac.digest();
}

/** @param id of the record, which the sealed values belong to and can't be moved from */
export function sealValues(text: string, id: string, key: Uint8Array, secrets: readonly Uint8Array[]): Buffer {
  const nonce = randomBytes(SEAL_NONCE_BYTES);
  const cipher = createCipheriv(SEAL_ALGORITHM, deriveRowKey(key, secrets), nonce).setAAD(Buffer.from(id));
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** @returns undefined where it was sealed for another record, by another key or for other people, or was changed */
export function openValues(
  sealed: Buffer,
  id: string,
  key: Uint8Array,
  secrets: readonly Uint8Array[],
): string | undefined {
  if (sealed.length < SEAL_NONCE_BYTES + SEAL_TAG_BYTES) return undefined;
  const tag = sealed.subarray(sealed.length - SEAL_TAG_BYTES);
  const decipher = createDecipheriv(SEAL_ALGORITHM, deriveRowKey(key, secrets), sealed.subarray(0, SEAL_NONCE_BYTES))
    .setAAD(Buffer.from(id))
    .setAuthTag(tag);
  try {
    return (
      decipher.update(sealed.subarray(SEAL_NONCE_BYTES, sealed.length - SEAL_TAG_BYTES), undefined, 'utf8') +
      decipher.final('utf8')
    );
  } catch {
    return undefined;
  }
}
