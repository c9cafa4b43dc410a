/**
 * Taking what the operator has changed while the service runs: who may call and whose tokens are believed (`access.ts`),
 * the listeners' certificates, and the rules with the engine of their schema (`in-force.ts`). What is offered together is
 * taken together, one after the other, in the order that it came.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { checkAccess, type Access } from '../clients-and-issuers.js';
import type { Config } from '../../config/config.js';
import { readSources, shown } from '../../config/files.js';
import type { Listener, ListenerTls } from '../../config/listener.js';
import type { InForce } from '../active-policies.js';
import { unread, type Candidate } from './candidate.js';
import { fingerprintOf } from './snapshot.js';
import { ConfigError } from '../../model/faults.js';
import { isError, sentence } from '../../diagnostics/diagnostics.js';
import { assembleRules, versionOf, type Rules } from '../../policy/load.js';
import type { Log } from '../../telemetry/log.js';

export interface Running {
  readonly config: Config;
  readonly access: Access;
  readonly inForce: InForce;
  readonly now: () => Date;
}

/** One that is open, and what of its certificates can be replaced. */
export interface Renewable {
  readonly listener: Listener;
  readonly renew: (tls: ListenerTls) => void;
}

/** What a running service keeps as it began, by the names that the operator knows. */
const FIXED: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['listen', (c) => [c.host, c.port, c.publicUrl, c.trustedProxies, outline(c.tls)]],
  ['listen.admin', (c) => c.admin && [c.admin.host, c.admin.port, outline(c.admin.tls)]],
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
const FILES_MS = 30_000;
/** Of many warnings, those that the log has. */
const SHOWN_WARNINGS = 5;

export class Reloading {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly service: Running,
    private readonly listening: readonly Renewable[],
    private readonly log: Log,
  ) {}

  /**
   * The configuration read again, and the rules' files with it: both together, or the configuration with the rules in
   * force, or nothing. Never rejects: what is wrong is said.
   * @param read reads the configuration that the service was started with
   * @param files as they are now; undefined where they are read at start only
   */
  configuration(read: () => Config, files: (() => Promise<Candidate>) | undefined): Promise<void> {
    return this.inTurn(async () => {
      const say = (line: string): void => {
        this.log(line, { event: 'reload' });
      };
      try {
        const next = read();
        const lines = await this.take(next, files === undefined ? undefined : await soon(files()));
        for (const line of [...next.notes, ...lines]) say(line);
        say('the configuration has been read again');
      } catch (error) {
        // Whatever it is, the service that runs is none the worse for it.
        say(`the configuration is not taken, all stays as it was: ${(error as Error).message}`);
      }
    });
  }

  /**
   * The rules' files as they are now. Never rejects: what is wrong is said.
   * @returns whether it is worth offering again as it is: not the files were wrong, but something around them
   */
  rules(candidate: Candidate): Promise<boolean> {
    return this.inTurn(async () => {
      const { access, config } = this.service;
      try {
        await this.change(candidate, { ...access.configured, file: config.file }, () => undefined);
        return false;
      } catch {
        return !('refused' in candidate.fitting);
      }
    });
  }

  /**
   * @returns lines for the operator: what is taken over, and what needs a restart
   * @throws ConfigError, with everything as it was
   */
  private async take(next: Config, candidate: Candidate | undefined): Promise<string[]> {
    const { config, access, inForce } = this.service;
    if ((next.clients.length === 0) !== (config.clients.length === 0))
      throw new ConfigError('clients: to or from the development client needs a restart', shown(next.file));
    const before = access.configured;
    // In that moment nothing can fail, and nothing waits: no request sees half of it.
    const along = (): void => {
      access.replace(next);
      for (const { listener, renew } of this.listening) {
        const tls = certificatesOf(listener, config, next);
        if (tls !== undefined) renew(tls);
      }
    };
    // A key that has leaked is taken back whatever has become of the policies.
    const together =
      candidate !== undefined &&
      (await this.change(candidate, next, along).then(
        () => true,
        () => false,
      ));
    if (!together) await this.change(undefined, next, along);
    return [
      `clients: ${changes(before.clients, next.clients, ({ id }) => id)}`,
      `issuers: ${changes(before.issuers, next.issuers, ({ issuer }) => issuer)}`,
      ...this.listening.flatMap(({ listener }) =>
        certificatesOf(listener, config, next) === undefined
          ? []
          : [`certificates of ${listener.host}:${listener.port}: read again`],
      ),
      ...fixed(config, next, candidate === undefined ? inForce.rules.version : undefined).map(
        (name) => `${name}: changed, which needs a restart`,
      ),
    ];
  }

  /** @throws what is wrong, with everything as it was */
  private async change(
    candidate: Candidate | undefined,
    access: Pick<Config, 'clients' | 'issuers' | 'file'>,
    along: () => void,
  ): Promise<void> {
    const { inForce } = this.service;
    const before = inForce.rules;
    try {
      const rules = candidate === undefined ? before : rulesOf(candidate, before);
      await checkAccess(access, rules);
      if (rules === before) {
        along();
        if (candidate !== undefined) this.confirm();
      } else {
        await inForce.replace(rules, along);
        this.taken(rules, candidate);
      }
    } catch (error) {
      if (candidate !== undefined && !isOf(candidate, before)) this.refused(candidate, error as Error);
      throw error;
    }
  }

  private taken(rules: Rules, candidate: Candidate | undefined): void {
    const { policies, sources, version } = rules;
    const about = { policy_version: version };
    this.log(`policies taken: version ${version}, ${policies.size} policies in ${sources.policies.length} files`, {
      event: 'policies_taken',
      ...about,
    });
    const warnings = (candidate?.findings ?? []).filter((finding) => !isError(finding));
    for (const warning of warnings.slice(0, SHOWN_WARNINGS))
      this.log(`${warning.file}:${warning.line}: ${sentence(warning)}`, { event: 'policies_warning', ...about });
    if (warnings.length > SHOWN_WARNINGS)
      this.log(`and ${warnings.length - SHOWN_WARNINGS} more: remit check`, { event: 'policies_warning', ...about });
  }

  private confirm(): void {
    const { inForce } = this.service;
    if (inForce.refusal === undefined) return;
    inForce.confirm();
    const { version } = inForce.rules;
    this.log(`policies are as they are in force again: version ${version}`, {
      event: 'policies_taken',
      policy_version: version,
    });
  }

  /** Once for each that is refused, however often it is offered. */
  private refused({ version, findings }: Candidate, { message: reason }: Error): void {
    const { inForce, now } = this.service;
    const { refusal } = inForce;
    if (refusal?.reason === reason && refusal.version === version) return;
    inForce.refuse({ at: now().toISOString(), reason, version, findings });
    const { version: stays } = inForce.rules;
    this.log(`policies not taken, those of version ${stays} stay in force: ${reason}`, {
      event: 'policies_refused',
      policy_version: stays,
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

async function soon(files: Promise<Candidate>): Promise<Candidate> {
  const late = new AbortController();
  try {
    return await Promise.race([
      files,
      sleep(FILES_MS, unread(`they were not read within ${FILES_MS / 1000} s`), { signal: late.signal }),
    ]);
  } catch (error) {
    return unread((error as Error).message);
  } finally {
    late.abort();
  }
}

/** @throws ConfigError where they are refused */
function rulesOf(candidate: Candidate, current: Rules): Rules {
  const { fitting } = candidate;
  if ('refused' in fitting) throw new ConfigError(fitting.refused);
  return isOf(candidate, current) ? current : assembleRules(fitting.sources, fitting.policies);
}

/** Whether these are the very files that are in force. */
function isOf({ fitting }: Candidate, { sources }: Rules): boolean {
  return 'sources' in fitting && fingerprintOf(fitting.sources, undefined) === fingerprintOf(sources, undefined);
}

/** Undefined where there are none to replace, or more than certificates has changed. */
function certificatesOf(listener: Listener, config: Config, next: Config): ListenerTls | undefined {
  const tls = listener === config.admin ? next.admin?.tls : next.tls;
  return isDeepStrictEqual(outline(tls), outline(listener.tls)) ? tls : undefined;
}

/** What of TLS is decided when a listener begins. */
function outline(tls: ListenerTls | undefined): unknown {
  return tls === undefined ? undefined : [tls.clientCertificates, tls.clientCa !== undefined];
}

/** @param version in force, where the rules' files aren't read while it runs */
function fixed(config: Config, next: Config, version: string | undefined): string[] {
  const names = FIXED.filter(([, of]) => !isDeepStrictEqual(of(config), of(next))).map(([name]) => name);
  return version === undefined || names.includes('schema') || names.includes('policies') || isVersion(next, version)
    ? names
    : [...names, 'the files of the schema or the policies'];
}

function isVersion({ sources }: Config, version: string): boolean {
  try {
    return versionOf(readSources(sources)) === version;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

function changes<T>(before: readonly T[], after: readonly T[], name: (one: T) => string): string {
  const old = new Map(before.map((one) => [name(one), one]));
  const now = new Map(after.map((one) => [name(one), one]));
  const said = [
    ...after.filter((one) => !old.has(name(one))).map((one) => `added ${name(one)}`),
    ...after
      .filter((one) => old.has(name(one)) && !isDeepStrictEqual(old.get(name(one)), one))
      .map((one) => `changed ${name(one)}`),
    ...before.filter((one) => !now.has(name(one))).map((one) => `removed ${name(one)}`),
  ];
  return said.length === 0 ? 'as they were' : said.join(', ');
}
