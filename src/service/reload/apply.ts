/**
 * Taking what the operator has changed while the service runs: who may call and whose tokens are believed (`access.ts`),
 * the listeners' certificates, and the rules with the engine of their schema (`in-force.ts`). What is offered together is
 * taken together, one after the other, in the order that it came.
 */
import { isDeepStrictEqual } from 'node:util';
import { checkTrustConfig, type TrustConfig } from '../clients-and-issuers.js';
import type { Config } from '../../config/config.js';
import { readSources, displayPath } from '../../config/files.js';
import type { Listener, ListenerTls } from '../../config/listener.js';
import type { ActivePolicies } from '../active-policies.js';
import { createUnreadCandidate, type PolicyCandidate } from './candidate.js';
import { fingerprintSources } from './snapshot.js';
import { ConfigError } from '../../model/faults.js';
import { isError, formatProblem } from '../../diagnostics/diagnostics.js';
import { assembleRules, hashSources, type Rules } from '../../policy/load.js';
import { withTimeout } from '../../runtime/timeout.js';
import type { Log } from '../../telemetry/log.js';

export interface ReloadTarget {
  readonly config: Config;
  readonly trust: TrustConfig;
  readonly activePolicies: ActivePolicies;
  readonly now: () => Date;
}

/** One that is open, and what of its certificates can be replaced. */
export interface RenewableListener {
  readonly listener: Listener;
  readonly renewCertificates: (tls: ListenerTls) => void;
}

/** What a running service keeps as it began, by the names that the operator knows. */
const RESTART_SETTINGS: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['listen', (c) => [c.host, c.port, c.publicUrl, c.trustedProxies, outlineTls(c.tls)]],
  ['listen.admin', (c) => c.admin && [c.admin.host, c.admin.port, outlineTls(c.admin.tls)]],
  ['schema', (c) => [c.sources.relationships, c.sources.actions]],
  ['policies', (c) => c.sources.policies],
  ['world', (c) => c.world],
  ['data', (c) => c.data],
  ['spicedb', (c) => c.spicedb],
  // Where it gets its password from is asked for each connection, and can't be compared.
  ['database', (c) => JSON.stringify(c.database)],
  ['limits', (c) => [c.deadlineMs, c.limits]],
  ['shutdown', (c) => c.shutdown],
  ['telemetry', (c) => c.traces],
  ['logs', (c) => c.logs],
  ['reload', (c) => c.reload],
  ['records', (c) => c.records],
];
/** How long a configuration waits for the rules' files: checking thousands takes seconds, a file system may hang. */
const READ_TIMEOUT_MS = 30_000;
/** Of many warnings, those that the log has. */
const MAX_LOGGED_WARNINGS = 5;

export class Reloader {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly service: ReloadTarget,
    private readonly listeners: readonly RenewableListener[],
    private readonly log: Log,
  ) {}

  /**
   * The configuration read again, and the rules' files with it: both together, or the configuration with the rules in
   * force, or nothing. Never rejects: what is wrong is said.
   * @param read reads the configuration that the service was started with
   * @param files as they are now; undefined where they are read at start only
   */
  reloadConfig(read: () => Config, files: (() => Promise<PolicyCandidate>) | undefined): Promise<void> {
    return this.runInTurn(async () => {
      const logLine = (line: string): void => {
        this.log(line, { event: 'reload' });
      };
      try {
        const next = read();
        const lines = await this.applyConfig(next, files === undefined ? undefined : await readInTime(files()));
        for (const line of [...next.warnings, ...lines]) logLine(line);
        logLine('the configuration has been read again');
      } catch (error) {
        // Whatever it is, the service that runs is none the worse for it.
        logLine(`the configuration is not taken, all stays as it was: ${(error as Error).message}`);
      }
    });
  }

  /**
   * The rules' files as they are now. Never rejects: what is wrong is said.
   * @returns whether it is worth offering again as it is: not the files were wrong, but something around them
   */
  reloadPolicies(candidate: PolicyCandidate): Promise<boolean> {
    return this.runInTurn(async () => {
      const { trust, config } = this.service;
      try {
        await this.applyPolicies(candidate, { ...trust.configured, file: config.file }, () => undefined);
        return false;
      } catch {
        return !('refused' in candidate.content);
      }
    });
  }

  /**
   * @returns lines for the operator: what is taken over, and what needs a restart
   * @throws ConfigError, with everything as it was
   */
  private async applyConfig(next: Config, candidate: PolicyCandidate | undefined): Promise<string[]> {
    const { config, trust, activePolicies } = this.service;
    if ((next.clients.length === 0) !== (config.clients.length === 0))
      throw new ConfigError('clients: to or from the development client needs a restart', displayPath(next.file));
    const before = trust.configured;
    // In that moment nothing can fail, and nothing waits: no request sees half of it.
    const onSwap = (): void => {
      trust.replace(next);
      for (const { listener, renewCertificates: renew } of this.listeners) {
        const tls = findRenewedCertificates(listener, config, next);
        if (tls !== undefined) renew(tls);
      }
    };
    // A key that has leaked is taken back whatever has become of the policies.
    const tookPolicies =
      candidate !== undefined &&
      (await this.applyPolicies(candidate, next, onSwap).then(
        () => true,
        () => false,
      ));
    if (!tookPolicies) await this.applyPolicies(undefined, next, onSwap);
    return [
      `clients: ${describeChanges(before.clients, next.clients, ({ id }) => id)}`,
      `issuers: ${describeChanges(before.issuers, next.issuers, ({ issuer }) => issuer)}`,
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

  /** @throws what is wrong, with everything as it was */
  private async applyPolicies(
    candidate: PolicyCandidate | undefined,
    trust: Pick<Config, 'clients' | 'issuers' | 'file'>,
    onSwap: () => void,
  ): Promise<void> {
    const { activePolicies } = this.service;
    const before = activePolicies.rules;
    try {
      const rules = candidate === undefined ? before : assembleCandidate(candidate, before);
      await checkTrustConfig(trust, rules);
      if (rules === before) {
        onSwap();
        if (candidate !== undefined) this.confirm();
      } else {
        await activePolicies.replace(rules, onSwap);
        this.logTaken(rules, candidate);
      }
    } catch (error) {
      if (candidate !== undefined && !hasSameSources(candidate, before)) this.recordRefusal(candidate, error as Error);
      throw error;
    }
  }

  private logTaken(rules: Rules, candidate: PolicyCandidate | undefined): void {
    const { policies, sources, version } = rules;
    const policy = { policy_version: version };
    this.log(`policies taken: version ${version}, ${policies.size} policies in ${sources.policies.length} files`, {
      event: 'policies_taken',
      ...policy,
    });
    const warnings = (candidate?.findings ?? []).filter((finding) => !isError(finding));
    for (const warning of warnings.slice(0, MAX_LOGGED_WARNINGS))
      this.log(`${warning.file}:${warning.line}: ${formatProblem(warning)}`, { event: 'policies_warning', ...policy });
    if (warnings.length > MAX_LOGGED_WARNINGS)
      this.log(`and ${warnings.length - MAX_LOGGED_WARNINGS} more: remit check`, {
        event: 'policies_warning',
        ...policy,
      });
  }

  private confirm(): void {
    const { activePolicies } = this.service;
    if (activePolicies.refusal === undefined) return;
    activePolicies.confirm();
    const { version } = activePolicies.rules;
    this.log(`policies are as they are in force again: version ${version}`, {
      event: 'policies_taken',
      policy_version: version,
    });
  }

  /** Once for each that is refused, however often it is offered. */
  private recordRefusal({ version, findings }: PolicyCandidate, { message: reason }: Error): void {
    const { activePolicies, now } = this.service;
    const { refusal } = activePolicies;
    if (refusal?.reason === reason && refusal.version === version) return;
    activePolicies.refuse({ at: now().toISOString(), reason, version, findings });
    const { version: activeVersion } = activePolicies.rules;
    this.log(`policies not taken, those of version ${activeVersion} stay in force: ${reason}`, {
      event: 'policies_refused',
      policy_version: activeVersion,
    });
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

/** @throws ConfigError where they are refused */
function assembleCandidate(candidate: PolicyCandidate, current: Rules): Rules {
  const { content: fitting } = candidate;
  if ('refused' in fitting) throw new ConfigError(fitting.refused);
  return hasSameSources(candidate, current) ? current : assembleRules(fitting.sources, fitting.policies);
}

/** Whether these are the very files that are in force. */
function hasSameSources({ content: fitting }: PolicyCandidate, { sources }: Rules): boolean {
  return (
    'sources' in fitting && fingerprintSources(fitting.sources, undefined) === fingerprintSources(sources, undefined)
  );
}

/** Undefined where there are none to replace, or more than certificates has changed. */
function findRenewedCertificates(listener: Listener, config: Config, next: Config): ListenerTls | undefined {
  const tls = listener === config.admin ? next.admin?.tls : next.tls;
  return isDeepStrictEqual(outlineTls(tls), outlineTls(listener.tls)) ? tls : undefined;
}

/** What of TLS is decided when a listener begins. */
function outlineTls(tls: ListenerTls | undefined): unknown {
  return tls === undefined ? undefined : [tls.clientCertificates, tls.clientCa !== undefined];
}

/** @param version in force, where the rules' files aren't read while it runs */
function findRestartChanges(config: Config, next: Config, version: string | undefined): string[] {
  const names = RESTART_SETTINGS.filter(([, of]) => !isDeepStrictEqual(of(config), of(next))).map(([name]) => name);
  return version === undefined || names.includes('schema') || names.includes('policies') || hasVersion(next, version)
    ? names
    : [...names, 'the files of the schema or the policies'];
}

function hasVersion({ sources }: Config, version: string): boolean {
  try {
    return hashSources(readSources(sources)) === version;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

function describeChanges<T>(before: readonly T[], after: readonly T[], getName: (item: T) => string): string {
  const previous = new Map(before.map((one) => [getName(one), one]));
  const next = new Map(after.map((one) => [getName(one), one]));
  const phrases = [
    ...after.filter((one) => !previous.has(getName(one))).map((one) => `added ${getName(one)}`),
    ...after
      .filter((one) => previous.has(getName(one)) && !isDeepStrictEqual(previous.get(getName(one)), one))
      .map((one) => `changed ${getName(one)}`),
    ...before.filter((one) => !next.has(getName(one))).map((one) => `removed ${getName(one)}`),
  ];
  return phrases.length === 0 ? 'as they were' : phrases.join(', ');
}
