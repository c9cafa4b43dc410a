/** Builds the scenes of tests: the file's world and clock, with the changes of each test. */
import { emptyAnswer } from '../../govern/history/queries.js';
import { relationshipKey, parseRelationship } from '../../graph/relationship-text.js';
import { findEntityProblem } from '../../policy/entity-validation.js';
import type { Rules } from '../../policy/load.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { WorldChanges, Scene } from './case.js';
import { readStatedLimits } from '../../policy/schema/limits-format.js';
import { applyEntityChange, findWorldEntity } from './memory-entities.js';
import type { TestSpec } from './format.js';
import type { Path, SuiteFindings } from './suite-findings.js';

export class SceneBuilder {
  private readonly unchangedScene: Scene;

  constructor(
    surroundings: Omit<Scene, 'changes'>,
    private readonly rules: Rules,
    private readonly findings: SuiteFindings,
  ) {
    this.unchangedScene = {
      ...surroundings,
      changes: { with: [], without: [], entities: [], used: [], history: {}, delegations: [], consents: [] },
    };
  }

  /** Tests that change nothing share one scene, so that their cases are decided together. */
  sceneFor(test: TestSpec, at: Path): Scene {
    const {
      with: added = [],
      without = [],
      entities = [],
      used = [],
      history = {},
      delegations = [],
      consents = [],
    } = test;
    const changes = { with: added, without, entities, used, history, delegations, consents };
    const changesNothing = Object.values(changes).every((list) => Object.keys(list).length === 0);
    if (changesNothing && test.now === undefined) return this.unchangedScene;
    this.checkChanges(changes, at);
    return { ...this.unchangedScene, changes, ...(test.now === undefined ? {} : { now: new Date(test.now) }) };
  }

  private checkChanges(changes: WorldChanges, at: Path): void {
    const { world } = this.unchangedScene;
    const worldKeys = new Set(changes.without.length === 0 ? [] : world.relationships.map(relationshipKey));
    for (const [i, text] of changes.with.entries()) this.checkRelationship([...at, 'with', i], text);
    for (const [i, text] of changes.without.entries()) {
      const path = [...at, 'without', i];
      const key = this.checkRelationship(path, text);
      if (key !== undefined && !worldKeys.has(key))
        this.findings.report(
          path,
          'the world has no such relationship',
          worldKeys.size === 0
            ? 'the world is empty: name one with "world", or add one to the configuration'
            : suggestNearest(key, worldKeys),
        );
    }
    const { actions } = this.rules.vocabulary;
    const ofGrants = [...changes.delegations, ...changes.consents].flatMap(({ limits = [] }) =>
      readStatedLimits(limits),
    );
    for (const [i, { action, amount }] of changes.used.entries()) {
      const path = [...at, 'used', i];
      const named = actions.filter(({ name }) => name === action);
      const limits = named.flatMap((one) => [...one.limits, ...ofGrants]);
      const names = actions.flatMap((limited) => (limited.limits.length === 0 ? [] : [limited.name]));
      if (limits.length === 0)
        this.findings.report([...path, 'action'], `no action "${action}" has a limit`, suggestNearest(action, names));
      else if (amount !== undefined && !limits.some(({ bound }) => bound.unit === amount.unit))
        this.findings.report([...path, 'amount', 'unit'], `no limit of "${action}" is in ${amount.unit}`);
    }
    this.checkHistory(changes.history, [...at, 'history']);
    for (const [i, change] of changes.entities.entries()) {
      const entity = applyEntityChange(findWorldEntity(world, change), change);
      const problem = entity === undefined ? undefined : findEntityProblem(entity, this.rules);
      if (problem !== undefined) this.findings.report([...at, 'entities', i], problem.message, problem.suggestion);
      this.findings.checkId([...at, 'entities', i, 'id'], change.id);
    }
  }

  private checkHistory(stated: WorldChanges['history'], at: Path): void {
    const members = this.rules.vocabulary.actions.flatMap(({ history }) => history);
    for (const [name, value] of Object.entries(stated)) {
      const named = members.filter((member) => member.name === name);
      const names = members.map((member) => member.name);
      if (named.length === 0)
        this.findings.report([...at, name], `no action has a context.history.${name}`, suggestNearest(name, names));
      else if (!named.some(({ question: { kind } }) => typeof value === typeof emptyAnswer({ kind })))
        this.findings.report(
          [...at, name],
          `context.history.${name} is ${typeof value === 'number' ? 'no number' : 'a number'}`,
        );
    }
  }

  /** @returns the relationship's key; undefined where the text is no relationship, which is reported */
  private checkRelationship(path: Path, text: string): string | undefined {
    try {
      return relationshipKey(parseRelationship(text));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.findings.report(path, `"${text}" ${error.message}`);
      return undefined;
    }
  }
}
