/**
 * Whether a ZedToken that a request names can be used with this SpiceDB server. SpiceDB takes any revision at its word,
 * also one that is yet to come, so a token that isn't known yet is shown to it as an exact snapshot, which it does check.
 */
import { LRUCache } from 'lru-cache';
import { v1 } from '@authzed/authzed-node';
import { BadRequest } from '../../model/faults.js';
import type { Consistency } from '../../model/checks.js';
import { isExpiredRevision, readGrpcStatus, toGraphError } from '../errors.js';
import { CONSISTENCY_PLACE } from '../port.js';
import { atExactSnapshot, type SpiceDBClient } from '../spicedb-api.js';
import { parseZedToken } from './zedtoken.js';

const MAX_KNOWN_TOKENS = 2_000;

export class ZedTokenVerifier {
  /** The tokens that are known to be good, and those that are older than SpiceDB remembers. */
  private readonly tokenStates = new LRUCache<string, 'good' | 'old'>({ max: MAX_KNOWN_TOKENS });
  /** The id of SpiceDB's datastore, as its tokens say it; undefined until one has been seen. */
  private datastore: string | undefined;

  /** @param resourceType any definition of the schema, for the question that shows SpiceDB a token */
  constructor(
    private readonly client: Pick<SpiceDBClient, 'readRelationships'>,
    private readonly resourceType: string,
  ) {}

  /** Remembers the datastore of a token of SpiceDB's own: another one behind the same endpoint has other tokens. */
  noteDatastore(token: string | undefined): void {
    const parsed = token === undefined ? undefined : parseZedToken(token);
    if (parsed !== undefined) this.datastore = parsed.datastore;
  }

  /** Remembers a token that a write has just given. */
  trust(token: string): void {
    this.noteDatastore(token);
    this.tokenStates.set(token, 'good');
  }

  /**
   * Finds the reason that the token can't be one of this server, as far as that can be told without asking it;
   * undefined if it can.
   */
  tokenProblem(token: string): string | undefined {
    const parsed = parseZedToken(token);
    if (parsed === undefined || (this.datastore !== undefined && parsed.datastore !== this.datastore))
      return 'is not a ZedToken of this deployment';
    return undefined;
  }

  /**
   * The consistency to ask SpiceDB with: a token that is older than it remembers becomes `full`, which is fresher.
   * @throws BadRequest where the token is none of this server's, Fault
   */
  async resolve(consistency: Consistency): Promise<Consistency> {
    if (consistency === 'full') return consistency;
    const token = consistency.atLeast;
    const problem = this.tokenProblem(token);
    if (problem !== undefined) throw new BadRequest(problem, CONSISTENCY_PLACE);
    const state = this.tokenStates.get(token) ?? (await this.probe(token));
    this.tokenStates.set(token, state);
    return state === 'old' ? 'full' : consistency;
  }

  private async probe(token: string): Promise<'good' | 'old'> {
    const request = v1.ReadRelationshipsRequest.create({
      consistency: atExactSnapshot(token),
      relationshipFilter: { resourceType: this.resourceType },
      optionalLimit: 1,
    });
    try {
      await this.client.readRelationships(request);
      return 'good';
    } catch (error) {
      if (isExpiredRevision(error)) return 'old';
      const { code } = readGrpcStatus(error);
      if (code === 'OUT_OF_RANGE') throw new BadRequest('is a ZedToken of the future', CONSISTENCY_PLACE);
      if (code === 'INVALID_ARGUMENT') throw new BadRequest('is not a ZedToken of this deployment', CONSISTENCY_PLACE);
      throw toGraphError(error);
    }
  }
}
