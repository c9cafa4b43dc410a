/** Opens the keys that Remit signs with: those that are configured, or the deployment's own. */
import type { Config } from '../config/config.js';
import { readSigningKey } from '../config/signing.js';
import { ApprovalSigning, generateSigningKey, type SigningKey } from '../govern/approvals/signing.js';
import { parseStrictJson } from '../runtime/strict-json.js';
import type { Database } from '../store/database/port.js';
import { ensureSigningKey, readDeploymentName } from '../store/signing-key.js';

/** @throws ConfigError, Fault */
export async function openSigning({ signing }: Pick<Config, 'signing'>, database: Database): Promise<ApprovalSigning> {
  const [first, ...others] = (signing.keyFiles ?? []).map(readSigningKey);
  const makeText = async (): Promise<string> => JSON.stringify(await generateSigningKey());
  const key = first ?? (parseStrictJson(await ensureSigningKey(database, makeText)) as SigningKey);
  return ApprovalSigning.open([key, ...others], await readDeploymentName(database));
}
