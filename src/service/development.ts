/** Makes what a start for development has instead of configured clients and issuers. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ConfiguredClient } from '../config/clients.js';
import type { Config } from '../config/config.js';
import { openDevelopmentIssuer, type DevelopmentIssuer } from '../issue/development-issuer.js';
import { OBLIGATION_TYPES } from '../model/obligations.js';
import { CLIENT_PERMISSIONS } from '../model/question.js';
import { ensureSecretFile } from '../runtime/secret-file.js';
import { sha256 } from '../runtime/sha256.js';

export interface Development {
  /** The key of the development client; undefined where clients are configured. */
  readonly devKey: string | undefined;
  /** undefined unless all engines are embedded and the service listens on loopback. */
  readonly devIssuer: DevelopmentIssuer | undefined;
  readonly trust: Pick<Config, 'clients' | 'issuers'>;
}

export async function openDevelopment(config: Config): Promise<Development> {
  const devIssuer = config.development ? await openDevelopmentIssuer(config.data) : undefined;
  const devKey = config.clients.length === 0 ? await ensureDevKey(config.data) : undefined;
  const trust = {
    clients: devKey === undefined ? [] : [createDevClient(devKey)],
    issuers: devIssuer === undefined ? [] : [devIssuer.config],
  };
  return { devKey, devIssuer, trust };
}

async function ensureDevKey(directory: string): Promise<string> {
  const makeKey = (): string => `${randomBytes(32).toString('base64url')}\n`;
  return (await ensureSecretFile(join(directory, 'dev.key'), makeKey)).trim();
}

/** The client of a start without configured clients. It has every permission; such a service listens on loopback only. */
function createDevClient(key: string): ConfiguredClient {
  return {
    id: 'dev',
    keySha256: [sha256(key)],
    may: new Set(CLIENT_PERMISSIONS),
    audience: undefined,
    resources: undefined,
    defaultMode: undefined,
    answers: 'full',
    supportedObligations: OBLIGATION_TYPES,
    rate: 1000,
  };
}
