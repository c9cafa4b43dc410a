/**
 * Tells of consents that end or are suspended by themselves: one expires, and the meaning of an action changes, without a
 * write that an event could go with.
 */
import type { Rules } from '../../policy/load.js';
import { repeat } from '../../runtime/repeat.js';
import { CONSENT_PAGE, type ConsentStore } from '../../store/consents.js';
import type { MetaStore } from '../../store/meta.js';
import type { Log } from '../../telemetry/log.js';
import { reportFailing } from '../../telemetry/report-failing.js';
import { findBasisChange } from './consent-basis.js';

const CONSENT_SWEEP_MS = 5_000;
/** The rules by which all consents were looked at last, by whichever replica. */
const CHECKED_RULES = 'consents_checked_by';

export interface ConsentSweeperDeps {
  readonly consents: Pick<ConsentStore, 'tellExpired' | 'listInForce' | 'tellSuspended'>;
  readonly meta: MetaStore;
  readonly rules: () => Rules;
  readonly now: () => Date;
}

export class ConsentSweeper {
  /** The version of the rules that this process has looked by: replicas with other rules don't take turns for ever. */
  private checked: string | undefined;

  constructor(private readonly deps: ConsentSweeperDeps) {}

  /** Tells of what has expired, and once for all rules that come into force of what they suspend. @throws Fault */
  async sweep(): Promise<void> {
    const { consents, meta, rules, now } = this.deps;
    while (await consents.tellExpired(now()));
    const { version } = rules();
    if (this.checked === version) return;
    if ((await meta.read(CHECKED_RULES)) !== version) {
      await this.tellSuspended(rules());
      await meta.write(CHECKED_RULES, version);
    }
    this.checked = version;
  }

  private async tellSuspended(rules: Rules): Promise<void> {
    const { consents, now } = this.deps;
    let after: string | undefined;
    for (let isLast = false; !isLast;) {
      const page = await consents.listInForce(after, now());
      const [suspended, others]: [string[], string[]] = [[], []];
      for (const consent of page) (findBasisChange(consent, rules) === undefined ? others : suspended).push(consent.id);
      if (page.length > 0) await consents.tellSuspended(suspended, others, now());
      after = page.at(-1)?.id;
      isLast = page.length < CONSENT_PAGE;
    }
  }

  /** Begins with a sweep. @returns what stops it, once a sweep under way is done */
  start(log: Log): () => Promise<void> {
    return repeat(() => this.sweep(), {
      pauseMs: CONSENT_SWEEP_MS,
      onFailing: reportFailing(log, 'It can not be told which consents have ended', 'consents_untold'),
    }).stop;
  }
}
