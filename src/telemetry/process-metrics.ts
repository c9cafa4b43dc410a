/** The metrics of the process, shared by every service in it: memory, processor time, the event loop's lag. */
import { collectDefaultMetrics, Registry } from 'prom-client';

let registry: Registry | undefined;

/** Gets the registry, which the first call creates. */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}
