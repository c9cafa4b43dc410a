/** SIGHUP: the configuration is read again. One that isn't valid as a whole changes nothing. */
import type { Config } from '../config.js';
import { reload, type Renewable, type Running } from '../reload.js';

/**
 * @param read reads the configuration that the service was started with
 * @param say a line for the operator
 * @returns ends the listening for the signal
 */
export function reloadOnHangup(
  service: Running,
  listening: readonly Renewable[],
  read: () => Config,
  say: (line: string) => void,
): () => void {
  let current: Pick<Config, 'clients' | 'issuers'> = service.config;
  let last = Promise.resolve();
  const again = async (): Promise<void> => {
    try {
      const next = read();
      for (const line of [...next.notes, ...(await reload(next, current, service, listening))]) say(line);
      current = next;
      say('the configuration has been read again');
    } catch (error) {
      // Whatever it is, the service that runs is none the worse for it.
      say(`the configuration is not taken, all stays as it was: ${(error as Error).message}`);
    }
  };
  // One after the other, in the order that they were asked for.
  const onSignal = (): void => void (last = last.then(again));
  process.on('SIGHUP', onSignal);
  return () => void process.off('SIGHUP', onSignal);
}
