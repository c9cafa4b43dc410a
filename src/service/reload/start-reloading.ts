/** Staying current: SIGHUP, and the rules' files as they change. What isn't valid as a whole changes nothing. */
import type { Config } from '../../config/config.js';
import { PolicyReader } from './reader.js';
import { fingerprintLoaded } from './snapshot.js';
import { watchPolicies } from './watching.js';
import { Reloader, type RenewableListener, type ReloadTarget } from './apply.js';
import type { Log } from '../../telemetry/log.js';

/**
 * @param readConfig reads the configuration that the service was started with
 * @param log a line for the operator
 * @returns ends it
 */
export function startReloading(
  service: ReloadTarget,
  listeners: readonly RenewableListener[],
  readConfig: () => Config,
  log: Log,
): () => Promise<void> {
  const { config, activePolicies } = service;
  const { policies: mode, pollMs } = config.reload;
  const reloader = new Reloader(service, listeners, log);
  const reader = new PolicyReader({ sources: config.sources, world: config.world }, pollMs);
  const onSignal = (): void => void reloader.reloadConfig(readConfig, mode === 'off' ? undefined : () => reader.now());
  process.on('SIGHUP', onSignal);
  const unwatch =
    mode === 'watch'
      ? watchPolicies(
          reader,
          fingerprintLoaded(activePolicies.rules.sources, config.world),
          (candidate) => reloader.reloadPolicies(candidate),
          pollMs,
        )
      : () => undefined;
  return async () => {
    process.off('SIGHUP', onSignal);
    unwatch();
    await reader.close();
  };
}
