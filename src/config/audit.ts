/** `audit` of the configuration: the key that signs the log, its name, and where its checkpoints are kept as well. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import type { LogWitness } from '../records/log-witness.js';
import { displayPath, readKeyFile } from './files.js';
import { findUrlProblem } from './notifications.js';

const MAX_WITNESSES = 8;
const MAX_ORIGIN_LENGTH = 256;

const witnessFormat = z.union([
  z.strictObject({ file: z.string().min(1) }),
  z.strictObject({
    url: z.url({ protocol: /^https?$/ }).max(2048),
    network: z.enum(['public', 'private'], 'must be "public" or "private"').default('public'),
  }),
]);

export const auditFormat = z
  .strictObject({
    key_file: z.string().min(1).optional(),
    former_key_file: z.string().min(1).optional(),
    origin: z
      .string()
      .max(MAX_ORIGIN_LENGTH)
      .regex(/^[\w.:/-]+$/, 'must be a name such as "remit.example/log", of letters, digits and . _ : / -')
      .optional(),
    witnesses: z.array(witnessFormat).max(MAX_WITNESSES).default([]),
  })
  .prefault({});

export interface AuditConfig {
  /** Absent: one in the data directory with an embedded database; none with a server. */
  readonly keyFile: string | undefined;
  /** The key that came before, which signs as well; absent: only the one does. */
  readonly formerKeyFile: string | undefined;
  /** The name of the log; absent: one by the id of the deployment. */
  readonly origin: string | undefined;
  readonly witnesses: readonly LogWitness[];
}

/** @throws ConfigError naming the key */
export function resolveAudit(
  { key_file: keyFile, former_key_file: formerKeyFile, origin, witnesses }: z.infer<typeof auditFormat>,
  path: string,
  resolvePath: (path: string) => string,
): AuditConfig {
  if (formerKeyFile !== undefined && keyFile === undefined)
    throw new ConfigError('signs beside the key of audit.key_file, so that is needed as well', {
      file: displayPath(path),
      key: 'audit.former_key_file',
    });
  return {
    keyFile: keyFile === undefined ? undefined : resolvePath(keyFile),
    formerKeyFile: formerKeyFile === undefined ? undefined : resolvePath(formerKeyFile),
    origin,
    witnesses: witnesses.map((witness, i) => {
      if ('file' in witness) return { file: resolvePath(witness.file) };
      const problem = findUrlProblem(witness.url, witness.network);
      if (problem !== undefined)
        throw new ConfigError(problem, { file: displayPath(path), key: `audit.witnesses[${i}].url` });
      return witness;
    }),
  };
}

/** Reads a private key for Ed25519 in PEM (PKCS #8). @param setting names the file @throws ConfigError */
export function readAuditKey(file: string, setting = 'audit.key_file'): KeyObject {
  return readKeyFile(file, {
    setting,
    parse: (text) => {
      const key = createPrivateKey(text);
      return key.asymmetricKeyType === 'ed25519' ? key : undefined;
    },
    problem: 'the file has no private key for Ed25519 in PEM: openssl genpkey -algorithm ed25519 makes one',
  });
}
