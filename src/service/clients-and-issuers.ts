/** Whose word counts: clients by their keys, issuers by theirs. All of it can be replaced while the service runs. */
import type { ConfiguredClient } from '../config/clients.js';
import type { Config } from '../config/config.js';
import { shown } from '../config/files.js';
import { misfits } from '../config/check-references.js';
import { ConfigError } from '../model/faults.js';
import type { Client } from '../model/question.js';
import { sentence } from '../diagnostics/diagnostics.js';
import type { Rules } from '../policy/load.js';
import type { WatchCalls } from '../telemetry/calls.js';
import { Issuers, type IssuerConfig } from '../tokens/issuers.js';
import { checkKeys } from '../tokens/keys.js';
import { TokenVerifier } from '../tokens/verify.js';

export class Access {
  readonly issuers: Issuers;
  readonly verifier: TokenVerifier;
  private clients: ReadonlyMap<string, Client>;
  private written: Pick<Config, 'clients' | 'issuers'>;

  /** @param own what a configuration has no part in: the development client and issuer */
  constructor(
    { clients, issuers }: Pick<Config, 'clients' | 'issuers'>,
    private readonly own: { readonly clients: readonly ConfiguredClient[]; readonly issuers: readonly IssuerConfig[] },
    watch?: WatchCalls,
  ) {
    this.written = { clients, issuers };
    this.clients = byKey([...clients, ...own.clients]);
    this.issuers = new Issuers([...issuers, ...own.issuers], watch);
    this.verifier = new TokenVerifier(this.issuers);
  }

  /** As the configuration has them that was taken last. */
  get configured(): Pick<Config, 'clients' | 'issuers'> {
    return this.written;
  }

  /** The client one of whose keys has this SHA-256, in hex. */
  clientOf(keySha256: string): Client | undefined {
    return this.clients.get(keySha256);
  }

  /** From now on only these. What of the configuration doesn't fit, {@link checkAccess} has to say before. */
  replace({ clients, issuers }: Pick<Config, 'clients' | 'issuers'>): void {
    this.written = { clients, issuers };
    this.clients = byKey([...clients, ...this.own.clients]);
    this.issuers.replace([...issuers, ...this.own.issuers]);
    this.verifier.forget();
  }
}

function byKey(clients: readonly ConfiguredClient[]): ReadonlyMap<string, Client> {
  return new Map(clients.flatMap((client) => client.keySha256.map((hash) => [hash, client] as const)));
}

/** That clients and issuers fit the rules, and that no key is weak. @throws ConfigError */
export async function checkAccess(
  config: Pick<Config, 'clients' | 'issuers' | 'file'>,
  { vocabulary }: Rules,
): Promise<void> {
  await checkKeys(config.issuers);
  const [misfit] = misfits(config, vocabulary);
  if (misfit !== undefined) throw new ConfigError(sentence(misfit), shown(config.file));
}
