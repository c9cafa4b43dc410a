/**
 * Applies what the operator has changed while the service runs: clients and issuers, the listeners' certificates, and the
 * policies with their graph engine. Changes of one reload apply together, and reloads one after another. `start-reloading.ts`
 * calls it.
 */
import { checkTrustConfig, type TrustConfig } from '../clients-and-issuers.js';
import type { Config } from '../../config/config.js';
import { displayPath } from '../../config/files.js';
import type { Listener, ListenerTls } from '../../config/listener.js';
import type { ActivePolicies } from '../active-policies.js';
import type { WebhookSender } from '../../notify/webhook-sender.js';
import { createUnreadCandidate, type PolicyCandidate, type SuiteFile } from './candidate.js';
import {
  describeChanges,
  describeNotificationChanges,
  findRenewedCertificates,
  findRestartChanges,
} from './config-changes.js';
import { findRelaxations } from './relaxations.js';
import { joinNamed, ReloadLog } from './reload-log.js';
import { fingerprintSources } from './snapshot.js';
import { ConfigError } from '../../model/faults.js';
import { describeUnfitEntities } from '../unfit-entities.js';
import { assembleRules, type Rules } from '../../policy/load.js';
import type { EntityStore } from '../../store/entities.js';
import { withTimeout } from '../../runtime/timeout.js';
import type { Log } from '../../telemetry/log.js';

export interface ReloadTarget {
  readonly config: Config;
  readonly trust: TrustConfig;
  readonly activePolicies: ActivePolicies;
  readonly entities: EntityStore;
  readonly webhooks: Pick<WebhookSender, 'endpoints' | 'replace'>;
  readonly now: () => Date;
}

/** An open listener whose certificates can be replaced. */
export interface RenewableListener {
  readonly listener: Listener;
  readonly renewCertificates: (tls: ListenerTls) => void;
}

/**
 * The time that a reload waits for the policy files: checking and testing thousands takes seconds, and a file system
 * may hang.
 */
const READ_TIMEOUT_MS = 60_000;
/** Files that are valid, and that only the operator's signal takes. */
class RelaxationRefused extends ConfigError {
  constructor(relaxations: readonly string[]) {
    super(`they give up restrictions, which only SIGHUP takes (the watch never does): ${joinNamed(relaxations)}`);
  }
}

export class Reloader {
  private readonly log: ReloadLog;
  private last: Promise<unknown> = Promise.resolve();
  /** Fingerprints of files that give up restrictions: those that wait for the signal, and those that it was given for. */
  private readonly relaxed: { waiting?: string | undefined; approved?: string | undefined } = {};

  /** When the files were read that were applied last. */
  private lastReadAt = 0n;

  /** @param suites the test suites of the policies in force */
  constructor(
    private readonly service: ReloadTarget,
    private readonly listeners: readonly RenewableListener[],
    log: Log,
    private suites: readonly SuiteFile[],
  ) {
    this.log = new ReloadLog(log);
  }

  /**
   * Reads the configuration again, and the policy files with it, at the operator's signal. Both apply together, or the
   * configuration with the policies in force, or nothing. Never rejects: errors are logged.
   * @param read reads the configuration that the service was started with
   * @param files reads the policy files as they are now; undefined where they are read at start only
   */
  reloadConfig(read: () => Config, files: (() => Promise<PolicyCandidate>) | undefined): Promise<void> {
    return this.runInTurn(async () => {
      try {
        const next = read();
        const lines = await this.applyConfig(next, files === undefined ? undefined : await readInTime(files()));
        for (const line of [...next.warnings, ...lines]) this.log.logConfig(line);
        this.log.logConfig('the configuration has been read again');
      } catch (error) {
        // Whatever the error is, the running service is unchanged.
        this.log.logConfig(`the configuration is not taken, all stays as it was: ${(error as Error).message}`);
      }
    });
  }

  /**
   * Applies the policy files as they are now, where they give up nothing that is in force: no operator has said that they
   * are meant. Never rejects: errors are logged.
   * @returns whether to offer the same files again: the cause was not in the files but around them
   */
  reloadPolicies(candidate: PolicyCandidate): Promise<boolean> {
    return this.runInTurn(async () => {
      const { trust, config } = this.service;
      const { waiting, approved } = this.relaxed;
      const mayRelax = approved === candidate.fingerprint;
      // The watch may have read them before the signal, and checked them until after it: the operator's reading is newer.
      if (candidate.readAt < this.lastReadAt && !mayRelax) return false;
      if (waiting === candidate.fingerprint && !mayRelax) return true;
      try {
        const trusted = { ...trust.configured, file: config.file };
        await this.applyPolicies(candidate, trusted, { mayRelax, isAsked: false, onSwap: () => undefined });
        return false;
      } catch (error) {
        if (error instanceof RelaxationRefused) this.relaxed.waiting = candidate.fingerprint;
        return !('refused' in candidate.content);
      }
    });
  }

  /**
   * @returns lines for the operator: what was applied, and what needs a restart
   * @throws ConfigError, with nothing changed
   */
  private async applyConfig(next: Config, candidate: PolicyCandidate | undefined): Promise<string[]> {
    const { config, trust, activePolicies, webhooks } = this.service;
    if ((next.clients.length === 0) !== (config.clients.length === 0))
      throw new ConfigError('clients: to or from the development client needs a restart', displayPath(next.file));
    const before = trust.configured;
    const { endpoints } = webhooks;
    // Nothing in it fails or waits, so no request sees half of the change.
    const onSwap = (): void => {
      trust.replace(next);
      webhooks.replace(next.notifications);
      for (const { listener, renewCertificates: renew } of this.listeners) {
        const tls = findRenewedCertificates(listener, config, next);
        if (tls !== undefined) renew(tls);
      }
    };
    this.relaxed.approved = candidate?.fingerprint;
    this.lastReadAt = candidate?.readAt ?? this.lastReadAt;
    // Clients and issuers apply even where the policies are refused: a leaked key must stop counting.
    const tookPolicies =
      candidate !== undefined &&
      (await this.applyPolicies(candidate, next, { mayRelax: true, isAsked: true, onSwap }).then(
        () => true,
        () => false,
      ));
    if (!tookPolicies) await this.applyPolicies(undefined, next, { mayRelax: false, isAsked: true, onSwap });
    return [
      `clients: ${describeChanges(before.clients, next.clients, ({ id }) => id)}`,
      `issuers: ${describeChanges(before.issuers, next.issuers, ({ issuer }) => issuer)}`,
      ...describeNotificationChanges(endpoints, next.notifications),
      ...this.listeners.flatMap(({ listener }) =>
        findRenewedCertificates(listener, config, next) === undefined
          ? []
          : [`certificates of ${listener.host}:${listener.port}: read again`],
      ),
      ...findRestartChanges(config, next, candidate === undefined ? activePolicies.rules.version : undefined).map(
        (name) => `${name}: changed, which needs a restart`,
      ),
    ];
  }

  /**
   * Applies a candidate, or only what `onSwap` does where there is none.
   * @param options `isAsked`: the operator has given the signal, and is told of a refusal even if it was logged before
   * @throws the error, with nothing changed
   */
  private async applyPolicies(
    candidate: PolicyCandidate | undefined,
    trust: Pick<Config, 'clients' | 'issuers' | 'file'>,
    options: { readonly mayRelax: boolean; readonly isAsked: boolean; readonly onSwap: () => void },
  ): Promise<void> {
    const { activePolicies } = this.service;
    const { mayRelax, isAsked, onSwap } = options;
    const before = activePolicies.rules;
    try {
      const rules = candidate === undefined ? before : assembleCandidate(candidate, before);
      await checkTrustConfig(
        { ...trust, approvals: this.service.config.approvals, records: this.service.config.records },
        rules,
      );
      const suites = candidate?.suites ?? this.suites;
      const relaxations = findRelaxations({ rules: before, suites: this.suites }, { rules, suites });
      if (relaxations.length > 0 && !mayRelax) throw new RelaxationRefused(relaxations);
      if (rules === before) {
        onSwap();
        if (candidate !== undefined) this.confirm();
      } else {
        await activePolicies.replace(rules, onSwap);
        this.log.logTaken(rules, candidate?.findings ?? [], relaxations);
        this.log.logUnfitEntities(await describeUnfitEntities(this.service.entities, rules), rules.version);
      }
      this.suites = suites;
      if (candidate !== undefined) this.relaxed.waiting = this.relaxed.approved = undefined;
    } catch (error) {
      const isRefused = candidate !== undefined && !hasSameSources(candidate, before);
      if (candidate !== undefined && (isRefused || error instanceof RelaxationRefused))
        this.recordRefusal(candidate, this.explainRefusal(candidate, error as Error), isAsked);
      throw error;
    }
  }

  private confirm(): void {
    const { activePolicies } = this.service;
    if (activePolicies.refusal === undefined) return;
    activePolicies.confirm();
    this.log.logConfirmed(activePolicies.rules.version);
  }

  /** The reason of a refusal. A file that is gone may be its cause where nothing else of the message leads there. */
  private explainRefusal({ files }: PolicyCandidate, error: Error): string {
    if (files === undefined || error instanceof RelaxationRefused) return error.message;
    const before = [...this.service.activePolicies.rules.sources.policies, ...this.suites].map(({ name }) => name);
    const gone = before.filter((name) => !files.includes(name));
    return gone.length === 0
      ? error.message
      : `${error.message}; gone since the policies in force were read: ${joinNamed(gone)}`;
  }

  /** Records and logs a refusal: once however often the watch offers the same files, and at each signal. */
  private recordRefusal({ version, findings }: PolicyCandidate, reason: string, isAsked: boolean): void {
    const { activePolicies, now } = this.service;
    const { refusal } = activePolicies;
    const isKnown = refusal?.reason === reason && refusal.version === version;
    if (isKnown && !isAsked) return;
    if (!isKnown) activePolicies.refuse({ at: now().toISOString(), reason, version, findings });
    this.log.logRefused(activePolicies.rules.version, reason);
  }

  private runInTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}

async function readInTime(files: Promise<PolicyCandidate>): Promise<PolicyCandidate> {
  try {
    return await withTimeout(files, READ_TIMEOUT_MS, () =>
      createUnreadCandidate(`they were not read within ${READ_TIMEOUT_MS / 1000} s`),
    );
  } catch (error) {
    return createUnreadCandidate((error as Error).message);
  }
}

/** @throws ConfigError where the candidate is refused */
function assembleCandidate(candidate: PolicyCandidate, current: Rules): Rules {
  const { content: fitting } = candidate;
  if ('refused' in fitting) throw new ConfigError(fitting.refused);
  return hasSameSources(candidate, current) ? current : assembleRules(fitting.sources, fitting.policies);
}

/** Whether a candidate holds the same files as the policies in force. */
function hasSameSources({ content: fitting }: PolicyCandidate, { sources }: Rules): boolean {
  return (
    'sources' in fitting && fingerprintSources(fitting.sources, undefined) === fingerprintSources(sources, undefined)
  );
}
