/** Opens the keys that Remit signs with: those that are configured, or the deployment's own. */
import type { Config } from '../config/config.js';
import { readSigningKey } from '../config/signing.js';
import { ApprovalSigning, generateSigningKey, type SigningKey } from '../govern/approvals/signing.js';
import { parseStrictJson } from '../runtime/strict-json.js';
import type { MetaStore } from '../store/meta.js';

/** @throws ConfigError, Fault */
export async function openSigning({ signing }: Pick<Config, 'signing'>, meta: MetaStore): Promise<ApprovalSigning> {
  const [first, ...others] = (signing.keyFiles ?? []).map(readSigningKey);
  const makeText = async (): Promise<string> => JSON.stringify(await generateSigningKey());
  const key = first ?? (parseStrictJson(await meta.ensure('signing_key', makeText)) as SigningKey);
  // What is signed is for this deployment alone.
  return ApprovalSigning.open([key, ...others], `urn:uuid:${await meta.require('store_id')}`);
}
