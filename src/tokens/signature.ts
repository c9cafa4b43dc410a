/** Verifies that a JWS is signed with a key and an algorithm of its issuer. Tokens and DPoP proofs are verified here. */
import {
  compactVerify,
  decodeProtectedHeader,
  errors,
  type CompactVerifyGetKey,
  type CryptoKey,
  type JSONWebKeySet,
} from 'jose';
import { Fault } from '../model/faults.js';
import { reason, type ReasonCodeOf } from '../model/reasons.js';
import { TokenRejectedError } from './jws.js';
import { findKeyWeakness } from './key-strength.js';

export interface SignatureKeys {
  /** The name that a fault states. */
  readonly issuer: string;
  readonly keys: CompactVerifyGetKey;
  readonly algorithms: readonly string[];
  /** Present where they are known without a fetch. */
  readonly jwks?: JSONWebKeySet | undefined;
  readonly key_cure?: string | undefined;
}

/** Key ids that a message names; the longest of them is cut. */
const MAX_NAMED_KEYS = 4;
const MAX_KEY_ID_LENGTH = 64;

/** @throws TokenRejectedError, Fault `keys_unavailable` */
export async function verifySignature(token: string, signatureKeys: SignatureKeys): Promise<void> {
  const options = { algorithms: [...signatureKeys.algorithms] };
  const resolveKey: CompactVerifyGetKey = async (header, jws) =>
    requireStrongKey((await signatureKeys.keys(header, jws)) as CryptoKey);
  try {
    await compactVerify(token, resolveKey, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw toVerificationError(error, token, signatureKeys);
    // Without a `kid` any fitting key of the issuer may have signed; an unusable one must not hide the others.
    let unusable: Error | undefined;
    for await (const key of error) {
      try {
        await compactVerify(token, await requireStrongKey(key), options);
        return;
      } catch (keyError) {
        if (!(keyError instanceof errors.JWSSignatureVerificationFailed))
          unusable ??= toVerificationError(keyError, token, signatureKeys);
      }
    }
    throw unusable ?? new TokenRejectedError(reason('token', 'token_signature_invalid'));
  }
}

/** @throws TokenRejectedError `token_key_unusable` */
async function requireStrongKey(key: CryptoKey): Promise<CryptoKey> {
  const weakness = await findKeyWeakness(key);
  if (weakness !== undefined)
    throw new TokenRejectedError(reason('token', 'token_key_unusable', `The key ${weakness}.`));
  return key;
}

/** Maps jose's errors to the reason why a token is rejected. Any other error means that the keys are unavailable. */
function toVerificationError(error: unknown, token: string, signatureKeys: SignatureKeys): Error {
  if (error instanceof TokenRejectedError) return error;
  const rejection = (code: ReasonCodeOf<'token'>, message?: string): Error =>
    new TokenRejectedError(reason('token', code, message));
  if (error instanceof errors.JWSSignatureVerificationFailed) return rejection('token_signature_invalid');
  if (error instanceof errors.JWKSNoMatchingKey)
    return rejection('token_key_unknown', describeUnknownKey(token, signatureKeys));
  if (error instanceof errors.JOSEAlgNotAllowed) return rejection('token_algorithm_forbidden');
  if (error instanceof errors.JWSInvalid || error instanceof errors.JOSENotSupported)
    return rejection('token_malformed');
  // The fitting key can't be imported, or the platform refuses it: waiting would not help.
  if (error instanceof errors.JWKInvalid || error instanceof errors.JWKSInvalid || isKeyImportError(error))
    return rejection('token_key_unusable');
  return new Fault('keys_unavailable', `${signatureKeys.issuer}: ${String(error)}`, { cause: error });
}

/**
 * Names the key that the token states and those that were expected, where the configuration has them: they are public, and
 * only clients are shown it.
 */
function describeUnknownKey(token: string, { jwks, key_cure: cure }: SignatureKeys): string | undefined {
  const { kid } = decodeProtectedHeader(token);
  const ids = (jwks?.keys ?? []).flatMap((key) => key.kid ?? []);
  if (typeof kid !== 'string' || ids.length === 0) return undefined;
  const named = ids.slice(0, MAX_NAMED_KEYS).map(nameKey).join(', ');
  const others = ids.length > MAX_NAMED_KEYS ? ` and ${ids.length - MAX_NAMED_KEYS} more` : '';
  return `The issuer has no key ${nameKey(kid)} that fits the header; it has ${named}${others}.${cure === undefined ? '' : ` ${cure}`}`;
}

function nameKey(id: string): string {
  return JSON.stringify(id.length > MAX_KEY_ID_LENGTH ? `${id.slice(0, MAX_KEY_ID_LENGTH)}…` : id);
}

/** Whether WebCrypto or jose threw it for a key that is malformed, off its curve or too short. */
function isKeyImportError(error: unknown): boolean {
  return (
    (error instanceof DOMException && error.name !== 'TimeoutError' && error.name !== 'AbortError') ||
    error instanceof TypeError
  );
}
