/**
 * The graph at one revision, as a decision or a list sees it: the first answer says which, and everything that is asked
 * afterwards is answered at that revision. Two halves of a decision can then never be of two states of the graph.
 */
import type { CheckAnswer, CheckRequest, Consistency, ReadConsistency } from '../model/checks.js';
import type {
  AtRevision,
  RelationshipFilter,
  RelationshipGraph,
  RelationshipList,
  ResourceLookup,
  ResourceLookupResult,
  SubjectLookup,
  SubjectLookupResult,
} from './port.js';

/** Its methods throw as those of {@link RelationshipGraph} do. */
export class GraphSnapshot {
  private pinnedRevision: string | undefined;
  /** The request whose answer will say the revision; others wait for it. */
  private pinning: Promise<unknown> | undefined;

  /** @param consistency the freshness of the first answer */
  constructor(
    private readonly graph: Pick<RelationshipGraph, 'check' | 'lookupResources' | 'lookupSubjects' | 'read'>,
    private readonly consistency: Consistency,
  ) {}

  /** The revision of every answer, as a ZedToken; undefined until SpiceDB has named it. */
  get revision(): string | undefined {
    return this.pinnedRevision;
  }

  check(checks: readonly CheckRequest[]): Promise<readonly CheckAnswer[]> {
    if (checks.length === 0) return Promise.resolve([]);
    return this.ask((consistency) => this.graph.check(checks, consistency), findRevision);
  }

  lookupResources(lookup: ResourceLookup): Promise<ResourceLookupResult> {
    return this.ask((consistency) => this.graph.lookupResources(lookup, consistency), getRevision);
  }

  lookupSubjects(lookup: SubjectLookup): Promise<SubjectLookupResult> {
    return this.ask((consistency) => this.graph.lookupSubjects(lookup, consistency), getRevision);
  }

  read(filter: RelationshipFilter, limit: number): Promise<RelationshipList> {
    return this.ask((consistency) => this.graph.read(filter, limit, consistency), getRevision);
  }

  private async ask<T>(
    request: (consistency: ReadConsistency) => Promise<T>,
    revisionOf: (result: T) => string | undefined,
  ): Promise<T> {
    while (this.pinning !== undefined) await this.pinning;
    if (this.pinnedRevision !== undefined) return request({ exactly: this.pinnedRevision });
    const result = request(this.consistency).then((value) => {
      this.pinnedRevision = revisionOf(value);
      return value;
    });
    const endPinning = (): void => {
      this.pinning = undefined;
    };
    this.pinning = result.then(endPinning, endPinning);
    return result;
  }
}

function findRevision(answers: readonly CheckAnswer[]): string | undefined {
  for (const answer of answers) if ('revision' in answer) return answer.revision;
  return undefined;
}

function getRevision({ revision }: AtRevision): string | undefined {
  return revision;
}
