/** Staying current: SIGHUP, and the rules' files as they change. What isn't valid as a whole changes nothing. */
import type { Config } from '../../config/config.js';
import { RuleReader } from './reader.js';
import { fingerprintOfLoaded } from './snapshot.js';
import { watchRules } from './watching.js';
import { Reloading, type Renewable, type Running } from './apply.js';
import type { Log } from '../../telemetry/log.js';

/**
 * @param read reads the configuration that the service was started with
 * @param log a line for the operator
 * @returns ends it
 */
export function stayCurrent(
  service: Running,
  listening: readonly Renewable[],
  read: () => Config,
  log: Log,
): () => Promise<void> {
  const { config, inForce } = service;
  const { policies: mode, pollMs } = config.reload;
  const reloading = new Reloading(service, listening, log);
  const reader = new RuleReader({ sources: config.sources, world: config.world }, pollMs);
  const onSignal = (): void => void reloading.configuration(read, mode === 'off' ? undefined : () => reader.now());
  process.on('SIGHUP', onSignal);
  const unwatch =
    mode === 'watch'
      ? watchRules(
          reader,
          fingerprintOfLoaded(inForce.rules.sources, config.world),
          (candidate) => reloading.rules(candidate),
          pollMs,
        )
      : () => undefined;
  return async () => {
    process.off('SIGHUP', onSignal);
    unwatch();
    await reader.close();
  };
}
