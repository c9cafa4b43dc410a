/** Whose word counts: clients by their keys, issuers by theirs. All of it can be replaced while the service runs. */
import type { ConfiguredClient } from '../config/clients.js';
import type { Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { checkReferences } from '../config/check-references.js';
import { ConfigError } from '../model/faults.js';
import type { Client } from '../model/question.js';
import { formatProblem } from '../diagnostics/diagnostics.js';
import type { Rules } from '../policy/load.js';
import type { EngineCallListener } from '../telemetry/engine-calls.js';
import { Issuers, type IssuerConfig } from '../tokens/issuers.js';
import { checkInlineKeys } from '../tokens/keys.js';
import { TokenVerifier } from '../tokens/verify.js';

export class TrustConfig {
  readonly issuers: Issuers;
  readonly verifier: TokenVerifier;
  private clients: ReadonlyMap<string, Client>;
  private applied: Pick<Config, 'clients' | 'issuers'>;

  /** @param development what a configuration has no part in: the development client and issuer */
  constructor(
    { clients, issuers }: Pick<Config, 'clients' | 'issuers'>,
    private readonly development: {
      readonly clients: readonly ConfiguredClient[];
      readonly issuers: readonly IssuerConfig[];
    },
    watch?: EngineCallListener,
  ) {
    this.applied = { clients, issuers };
    this.clients = indexByKey([...clients, ...development.clients]);
    this.issuers = new Issuers([...issuers, ...development.issuers], watch);
    this.verifier = new TokenVerifier(this.issuers);
  }

  /** As the configuration has them that was taken last. */
  get configured(): Pick<Config, 'clients' | 'issuers'> {
    return this.applied;
  }

  /** The client one of whose keys has this SHA-256, in hex. */
  findClient(keySha256: string): Client | undefined {
    return this.clients.get(keySha256);
  }

  /** From now on only these. What of the configuration doesn't fit, {@link checkTrustConfig} has to say before. */
  replace({ clients, issuers }: Pick<Config, 'clients' | 'issuers'>): void {
    this.applied = { clients, issuers };
    this.clients = indexByKey([...clients, ...this.development.clients]);
    this.issuers.replace([...issuers, ...this.development.issuers]);
    this.verifier.clearCache();
  }
}

function indexByKey(clients: readonly ConfiguredClient[]): ReadonlyMap<string, Client> {
  return new Map(clients.flatMap((client) => client.keySha256.map((hash) => [hash, client] as const)));
}

/** That clients and issuers fit the rules, and that no key is weak. @throws ConfigError */
export async function checkTrustConfig(
  config: Pick<Config, 'clients' | 'issuers' | 'file'>,
  { vocabulary }: Rules,
): Promise<void> {
  await checkInlineKeys(config.issuers);
  const [problem] = checkReferences(config, vocabulary);
  if (problem !== undefined) throw new ConfigError(formatProblem(problem), displayPath(config.file));
}
