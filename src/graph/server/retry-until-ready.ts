/** The wait for a SpiceDB server that starts beside Remit: a start and `remit migrate` use it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, Fault } from '../../model/faults.js';
import { readGrpcStatus } from '../errors.js';
import type { ServerAddress } from './grpc-client.js';

/** The time that is left to a SpiceDB that starts beside Remit. */
const START_TIMEOUT_MS = 10_000;
const START_RETRY_PAUSE_MS = 250;

/**
 * Repeats a call until SpiceDB answers it.
 * @throws ConfigError where the key or the certificate is wrong, which no waiting changes; Fault
 */
export async function retryUntilReady<T>(
  call: () => Promise<T>,
  { endpoint }: ServerAddress,
  startTimeoutMs = START_TIMEOUT_MS,
): Promise<T> {
  const until = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const { code, text } = readGrpcStatus(error);
      if (code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED')
        throw new ConfigError(`SpiceDB at ${endpoint} refuses the key`, 'spicedb.token');
      if (/certificate|self.signed|altname|unable to verify/i.test(text))
        throw new ConfigError(`SpiceDB at ${endpoint}: ${text.split('\n')[0] ?? ''}`, 'spicedb.ca');
      if (code !== 'UNAVAILABLE' || performance.now() + START_RETRY_PAUSE_MS > until)
        throw new Fault('relationships_unavailable', `SpiceDB at ${endpoint}: ${code}: ${text.trim()}`);
      await sleep(START_RETRY_PAUSE_MS);
    }
  }
}
