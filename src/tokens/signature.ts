/** Whether a JWS is signed by one of an issuer's keys, with an algorithm that it uses. */
import { compactVerify, errors, type CompactVerifyGetKey, type CryptoKey } from 'jose';
import { Fault } from '../model/faults.js';
import { reason } from '../model/reasons.js';
import { TokenRefused } from './jws.js';
import { weakness } from './keys.js';

export interface Signers {
  /** Names them in a fault. */
  readonly issuer: string;
  readonly keys: CompactVerifyGetKey;
  readonly algorithms: readonly string[];
}

/** @throws TokenRefused, Fault `keys_unavailable` */
export async function verifySignature(token: string, signers: Signers): Promise<void> {
  const options = { algorithms: [...signers.algorithms] };
  const resolve: CompactVerifyGetKey = async (header, jws) => strong((await signers.keys(header, jws)) as CryptoKey);
  try {
    await compactVerify(token, resolve, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw refusalOf(error, signers);
    // No `kid` in the header: any key of the issuer's that fits may have signed, and one that is no good hides none.
    let unusable: Error | undefined;
    for await (const key of error) {
      try {
        await compactVerify(token, await strong(key), options);
        return;
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) unusable ??= refusalOf(inner, signers);
      }
    }
    throw unusable ?? new TokenRefused(reason('token_signature_invalid'));
  }
}

async function strong(key: CryptoKey): Promise<CryptoKey> {
  const why = await weakness(key);
  if (why !== undefined) throw new TokenRefused(reason('token_key_unusable', `The key ${why}.`));
  return key;
}

/** What a failure of jose's says of the token; anything that it doesn't is the keys' fault. */
function refusalOf(error: unknown, { issuer }: Signers): Error {
  if (error instanceof TokenRefused) return error;
  const refused = (code: Parameters<typeof reason>[0]): Error => new TokenRefused(reason(code));
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused('token_signature_invalid');
  if (error instanceof errors.JWKSNoMatchingKey) return refused('token_key_unknown');
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('token_algorithm_forbidden');
  if (error instanceof errors.JWSInvalid || error instanceof errors.JOSENotSupported) return refused('token_malformed');
  // The key that fits can't be imported, or is refused by the platform: no waiting mends that.
  if (error instanceof errors.JWKInvalid || error instanceof errors.JWKSInvalid || isKeyProblem(error))
    return refused('token_key_unusable');
  return new Fault('keys_unavailable', `${issuer}: ${String(error)}`, { cause: error });
}

/** What WebCrypto and jose throw for a key that is malformed, off its curve or too short. */
function isKeyProblem(error: unknown): boolean {
  return (
    (error instanceof DOMException && error.name !== 'TimeoutError' && error.name !== 'AbortError') ||
    error instanceof TypeError
  );
}
