/**
 * Finds what a test's consents and approvals name that isn't there. A consent to an unknown action, or the answer of an
 * unknown person, changes no decision, so a test that expects a deny would pass because of a slip.
 */
import { readAddedRelationships } from './added-relationships.js';
import type { LoadedWorld } from '../../config/world.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { parseDescribedRef, type EntityRef } from '../../model/ids.js';
import type { Relationship } from '../../model/relationships.js';
import type { Rules } from '../../policy/load.js';
import type { TestSpec } from './format.js';
import type { Path, SuiteFindings } from './suite-findings.js';

export class StatedGrants {
  private readonly userType: string;
  private readonly worldUsers: ReadonlySet<string>;
  private readonly consentActions: ReadonlySet<string>;

  constructor(
    world: LoadedWorld,
    { vocabulary }: Rules,
    private readonly findings: SuiteFindings,
  ) {
    this.userType = vocabulary.userObject ?? 'user';
    this.worldUsers = new Set([...world.relationships.flatMap(listNamedObjects), ...world.entities].flatMap((ref) => this.userId(ref)));
    this.consentActions = new Set(vocabulary.actions.flatMap(({ name, consent }) => (consent === undefined ? [] : [name])));
  } // prettier-ignore

  check({ consents = [], approvals = [], with: added = [] }: TestSpec, at: Path): void {
    for (const [i, { details }] of consents.entries())
      for (const [j, { actions = [] }] of details.entries())
        for (const [k, name] of actions.entries())
          if (!this.consentActions.has(name))
            this.findings.report(
              [...at, 'consents', i, 'details', j, 'actions', k],
              `no action "${name}" asks for a consent (@consent)`,
              suggestNearest(name, this.consentActions),
            );
    if (approvals.length === 0) return;
    const users = new Set([
      ...this.worldUsers,
      ...readAddedRelationships(added)
        .flatMap(listNamedObjects)
        .flatMap((ref) => this.userId(ref)),
    ]);
    for (const [i, { by }] of approvals.entries()) {
      if (users.has(by)) continue;
      // The API's own spelling has the type before the id.
      const described = parseDescribedRef(by);
      const suggestion = suggestNearest(described?.type === this.userType ? described.id : by, users);
      this.findings.report([...at, 'approvals', i, 'by'], `the world has no ${this.userType} "${by}"`, suggestion);
    }
  }

  private userId({ type, id }: EntityRef): string[] {
    return type === this.userType ? [id] : [];
  }
}

function listNamedObjects({ resource, subject }: Relationship): EntityRef[] {
  return [resource, subject];
}
