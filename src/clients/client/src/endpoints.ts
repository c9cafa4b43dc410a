/** The addresses of a service's endpoints: those that the standard and Remit name, or those of its metadata. */
import { getMetadataUrl, joinUrl, requireSameOrigin } from './address.js';
import { CallDeadline } from './deadline.js';
import { RemitSetupError, RemitUnavailable } from './errors.js';
import { isRecord } from './strict-json.js';
import type { Transport } from './transport.js';

const STANDARD = {
  access_evaluation_endpoint: '/access/v1/evaluation',
  access_evaluations_endpoint: '/access/v1/evaluations',
  search_subject_endpoint: '/access/v1/search/subject',
  search_resource_endpoint: '/access/v1/search/resource',
  search_action_endpoint: '/access/v1/search/action',
  access_request_endpoint: '/access/v1/requests',
} as const;
export type EndpointName = keyof typeof STANDARD;

export class Endpoints {
  private metadata: Promise<Readonly<Record<string, unknown>>> | undefined;

  constructor(
    readonly base: URL,
    private readonly identifier: string,
    private readonly isDiscovered: boolean,
    private readonly transport: Transport,
    private readonly timeoutMs: number,
  ) {}

  /** @throws RemitError where there is none, or the metadata can't be had */
  async find(name: EndpointName, deadline: CallDeadline): Promise<URL> {
    if (!this.isDiscovered) return joinUrl(this.base, STANDARD[name]);
    const metadata = await deadline.race(this.discover());
    const endpoint = metadata[name];
    if (endpoint === undefined) throw new RemitSetupError('not_found', { detail: `its metadata has no ${name}` });
    return requireSameOrigin(endpoint, this.base);
  }

  /** An endpoint of Remit's own, which no standard names. */
  findOwn(path: string): URL {
    return joinUrl(this.base, path);
  }

  /** Reads the metadata once; after a failure the next call tries again. */
  private discover(): Promise<Readonly<Record<string, unknown>>> {
    this.metadata ??= this.readMetadata().catch((error: unknown) => {
      this.metadata = undefined;
      throw error;
    });
    return this.metadata;
  }

  /** @throws RemitSetupError where the metadata is another service's: its author would name the endpoints */
  private async readMetadata(): Promise<Readonly<Record<string, unknown>>> {
    const deadline = new CallDeadline(this.timeoutMs);
    try {
      const metadata = await this.transport.send(
        { method: 'GET', url: getMetadataUrl(this.base), isRepeatable: true, isOpen: true },
        deadline,
        { attempts: 0 },
      );
      if (!isRecord(metadata)) throw new RemitUnavailable('answer');
      if (metadata['policy_decision_point'] !== this.identifier) throw new RemitSetupError('identity');
      return metadata;
    } finally {
      deadline.end();
    }
  }
}
