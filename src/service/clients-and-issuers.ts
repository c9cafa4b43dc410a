/** The clients and issuers that are trusted, by their keys. A reload replaces them while the service runs. */
import type { ConfiguredClient } from '../config/clients.js';
import { formatLogin } from '../config/client-logins.js';
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { checkReferences } from '../config/check-references.js';
import { ConfigError } from '../model/faults.js';
import type { DelegationToken } from '../model/delegation-token.js';
import type { Client } from '../model/question.js';
import { formatProblem } from '../diagnostics/diagnostics.js';
import type { Rules } from '../policy/load.js';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import { Issuers } from '../tokens/issuers.js';
import { checkInlineKeys } from '../tokens/keys.js';
import { TokenVerifier } from '../tokens/verify.js';

export class TrustConfig {
  readonly issuers: Issuers;
  readonly verifier: TokenVerifier;
  private clients: ReadonlyMap<string, Client>;
  private logins: ReadonlyMap<string, ConfiguredClient>;
  private applied: Pick<Config, 'clients' | 'issuers'>;

  /** @param development the development client and issuer, which no configuration has and no reload replaces */
  constructor(
    { clients, issuers }: Pick<Config, 'clients' | 'issuers'>,
    private readonly development: Pick<Config, 'clients' | 'issuers'>,
    watch?: EngineCallListener,
  ) {
    this.applied = { clients, issuers };
    this.clients = indexByKey([...clients, ...development.clients]);
    this.logins = indexByLogin(clients);
    this.issuers = new Issuers([...issuers, ...development.issuers], watch);
    this.verifier = new TokenVerifier(this.issuers);
  }

  /** The clients and issuers of the configuration that was applied last. */
  get configured(): Pick<Config, 'clients' | 'issuers'> {
    return this.applied;
  }

  /** @param keySha256 the SHA-256 of the key, in hex */
  findClient(keySha256: string): Client | undefined {
    return this.clients.get(keySha256);
  }

  /** Finds the client whose own token this is: issued to it, and for nothing that another does. */
  findTokenClient({ issuer, clientId, soleSubject }: DelegationToken): Client | undefined {
    const client = clientId === undefined ? undefined : this.logins.get(formatLogin({ issuer, clientId }));
    return client?.token !== undefined && client.token.subject === soleSubject ? client : undefined;
  }

  /** Replaces clients and issuers. The caller has checked them with {@link checkTrustConfig}. */
  replace({ clients, issuers }: Pick<Config, 'clients' | 'issuers'>): void {
    this.applied = { clients, issuers };
    this.clients = indexByKey([...clients, ...this.development.clients]);
    this.logins = indexByLogin(clients);
    this.issuers.replace([...issuers, ...this.development.issuers]);
    this.verifier.clearCache();
  }
}

function indexByKey(clients: readonly ConfiguredClient[]): ReadonlyMap<string, Client> {
  return new Map(clients.flatMap((client) => client.keySha256.map((hash) => [hash, client] as const)));
}

function indexByLogin(clients: readonly ConfiguredClient[]): ReadonlyMap<string, ConfiguredClient> {
  return new Map(
    clients.flatMap((client) => (client.token === undefined ? [] : [[formatLogin(client.token), client] as const])),
  );
}

/** Checks that clients, issuers and approvals fit the rules and that no inline key is weak. @throws ConfigError */
export async function checkTrustConfig(
  config: Pick<Config, 'clients' | 'issuers' | 'approvals' | 'records' | 'file'>,
  rules: Rules,
): Promise<void> {
  await checkInlineKeys(config.issuers);
  const [problem] = checkReferences(config, rules);
  if (problem !== undefined) throw new ConfigError(formatProblem(problem), displayPath(config.file));
}
