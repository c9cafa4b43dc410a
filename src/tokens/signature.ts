/** Verifies that a JWS is signed with a key and an algorithm of its issuer. Tokens and DPoP proofs are verified here. */
import { compactVerify, errors, type CompactVerifyGetKey, type CryptoKey } from 'jose';
import { Fault } from '../model/faults.js';
import { reason } from '../model/reasons.js';
import { TokenRejectedError } from './jws.js';
import { findKeyWeakness } from './key-strength.js';

export interface SignatureKeys {
  /** The name that a fault states. */
  readonly issuer: string;
  readonly keys: CompactVerifyGetKey;
  readonly algorithms: readonly string[];
}

/** @throws TokenRejectedError, Fault `keys_unavailable` */
export async function verifySignature(token: string, signatureKeys: SignatureKeys): Promise<void> {
  const options = { algorithms: [...signatureKeys.algorithms] };
  const resolveKey: CompactVerifyGetKey = async (header, jws) =>
    requireStrongKey((await signatureKeys.keys(header, jws)) as CryptoKey);
  try {
    await compactVerify(token, resolveKey, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw toVerificationError(error, signatureKeys);
    // Without a `kid` any fitting key of the issuer may have signed; an unusable one must not hide the others.
    let unusable: Error | undefined;
    for await (const key of error) {
      try {
        await compactVerify(token, await requireStrongKey(key), options);
        return;
      } catch (keyError) {
        if (!(keyError instanceof errors.JWSSignatureVerificationFailed))
          unusable ??= toVerificationError(keyError, signatureKeys);
      }
    }
    throw unusable ?? new TokenRejectedError(reason('token_signature_invalid'));
  }
}

/** @throws TokenRejectedError `token_key_unusable` */
async function requireStrongKey(key: CryptoKey): Promise<CryptoKey> {
  const weakness = await findKeyWeakness(key);
  if (weakness !== undefined) throw new TokenRejectedError(reason('token_key_unusable', `The key ${weakness}.`));
  return key;
}

/** Maps jose's errors to the reason why a token is rejected. Any other error means that the keys are unavailable. */
function toVerificationError(error: unknown, { issuer }: SignatureKeys): Error {
  if (error instanceof TokenRejectedError) return error;
  const rejection = (code: Parameters<typeof reason>[0]): Error => new TokenRejectedError(reason(code));
  if (error instanceof errors.JWSSignatureVerificationFailed) return rejection('token_signature_invalid');
  if (error instanceof errors.JWKSNoMatchingKey) return rejection('token_key_unknown');
  if (error instanceof errors.JOSEAlgNotAllowed) return rejection('token_algorithm_forbidden');
  if (error instanceof errors.JWSInvalid || error instanceof errors.JOSENotSupported)
    return rejection('token_malformed');
  // The fitting key can't be imported, or the platform refuses it: waiting would not help.
  if (error instanceof errors.JWKInvalid || error instanceof errors.JWKSInvalid || isKeyImportError(error))
    return rejection('token_key_unusable');
  return new Fault('keys_unavailable', `${issuer}: ${String(error)}`, { cause: error });
}

/** Whether WebCrypto or jose threw it for a key that is malformed, off its curve or too short. */
function isKeyImportError(error: unknown): boolean {
  return (
    (error instanceof DOMException && error.name !== 'TimeoutError' && error.name !== 'AbortError') ||
    error instanceof TypeError
  );
}
