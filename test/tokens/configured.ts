/** Issuers as a configuration file has them, and tokens of theirs that are verified by nothing else. */
import { issuerFormat, resolveIssuers } from '../../src/config/issuers.js';
import { Issuers, type IssuerConfig } from '../../src/tokens/issuers.js';
import { TokenVerifier, type TokenVerification } from '../../src/tokens/verify.js';
import { NOW, type Key, type Part } from './keys.js';

export type Settings = Readonly<Record<string, unknown>>;

/** The issuers of a configuration with these under `issuers`. */
export function configured(...settings: readonly Settings[]): IssuerConfig[] {
  return resolveIssuers(
    settings.map((issuer) => issuerFormat.parse(issuer)),
    'remit.yaml',
    [],
  );
}

/** Signs the token and verifies it by the configuration alone. */
export async function verifyConfigured(
  settings: readonly Settings[],
  key: Key,
  { header, payload }: { readonly header: Part; readonly payload: Part },
  { now = NOW }: { readonly now?: Date } = {},
): Promise<TokenVerification> {
  const verifier = new TokenVerifier(new Issuers(configured(...settings)));
  return verifier.verify(await key.sign(header, payload), undefined, now);
}
