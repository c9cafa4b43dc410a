/**
 * Loading: the SpiceDB schema, the Cedar schema and the policies, read together into one set of rules that fits, or
 * refused with the file and line of what doesn't.
 */
import { createHash } from 'node:crypto';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CedarEngine } from '../engines/cedar.js';
import { ConfigError } from '../model/faults.js';
import { dutyProblem } from './duties.js';
import { Graph } from './graph.js';
import { readPolicies, type Policy, type SourceFile } from './policies.js';
import { PRELUDE } from './prelude.js';
import { canApply, Slices } from './slices.js';
import type { Place } from './declarations.js';
import { readVocabulary, type Vocabulary } from './vocabulary.js';
import { findPlaces } from './places.js';

/** Everything the operator wrote that decisions are made by. Immutable; a reload makes a new one. */
export interface Rules {
  /** SHA-256 over all sources, in hex: what a decision record names. */
  readonly version: string;
  readonly graph: Graph;
  readonly vocabulary: Vocabulary;
  readonly policies: ReadonlyMap<string, Policy>;
  readonly deciding: Slices;
  readonly duties: Slices;
  /** How often Cedar failed and was begun anew. */
  readonly cedarFaults: () => number;
}

export interface RuleSources {
  readonly relationships: SourceFile;
  readonly actions: readonly SourceFile[];
  readonly policies: readonly SourceFile[];
}

/** @throws ConfigError naming file and line */
export function loadRules(sources: RuleSources): Rules {
  const reader = new CedarEngine();
  const graph = Graph.parse(sources.relationships.text, sources.relationships.name);
  const schema = joinFiles(sources.actions);
  const vocabulary = readVocabulary(
    reader.parseSchema(schema.text, schema.locate, sources.actions[0]?.name ?? 'the Cedar schema'),
    graph,
    schema.place,
  );
  const policies = readPolicies(sources.policies, reader);
  const byId = new Map(policies.map((p) => [p.id, p]));
  reader.validate(schema.text, Object.fromEntries(policies.map((p) => [p.id, p.text])), (id, offset) => {
    const policy = byId.get(id);
    return policy === undefined ? 'the policies' : placeWithin(policy, offset);
  });
  for (const policy of policies) checkPolicy(policy, vocabulary, graph);

  const cedar = new CedarEngine();
  return {
    version: versionOf(sources),
    graph,
    vocabulary,
    policies: byId,
    deciding: new Slices(
      'deciding',
      policies.filter((p) => p.duties === undefined),
      cedar,
    ),
    duties: new Slices(
      'duties',
      policies.filter((p) => p.duties !== undefined),
      cedar,
      asPermit,
    ),
    cedarFaults: () => cedar.replaced,
  };
}

/** What the schema and the policies together must keep to, beyond Cedar's own validation. */
function checkPolicy(policy: Policy, vocabulary: Vocabulary, graph: Graph): void {
  const resources = new Set(
    vocabulary.actions.flatMap((action) =>
      action.resourceTypes.filter((resource) =>
        action.principalTypes.some((p) => canApply(policy.json, p, action, resource)),
      ),
    ),
  );
  for (const duty of policy.duties ?? []) {
    const problem = dutyProblem(duty, [...resources]);
    if (problem !== undefined)
      throw new ConfigError(`@duty "${duty.kind}:${duty.argument}": ${problem}`, policy.source);
  }
  for (const remedy of policy.remedies) {
    if (remedy.type !== 'approval') continue;
    if (![...resources].some((r) => graph.has(r.object, remedy.permission))) {
      throw new ConfigError(
        `@remedy: no resource it applies to has a permission "${remedy.permission}"`,
        policy.source,
      );
    }
  }
}

/** A duty's effect is never used; as permits, all that apply come back as reasons, whatever the author wrote. */
function asPermit(policy: Policy): PolicyJson {
  return { ...policy.json, effect: 'permit' };
}

function placeWithin(policy: Policy, offset: number): string {
  const cut = policy.source.lastIndexOf(':');
  const lines = Buffer.from(policy.text).subarray(0, offset).toString().split('\n').length - 1;
  return `${policy.source.slice(0, cut)}:${Number(policy.source.slice(cut + 1)) + lines}`;
}

/** One text of several files and the prelude after them, with the way back to a file and its line. */
function joinFiles(files: readonly SourceFile[]): { text: string; locate: (offset: number) => string; place: Place } {
  const text = [...files.map((f) => f.text), PRELUDE].join('\n');
  const first = files[0]?.name ?? 'the Cedar schema';
  /** The file and line of a line of the whole. */
  const placeOf = (line: number): string => {
    let rest = line;
    for (const file of files) {
      const lines = file.text.split('\n').length;
      if (rest <= lines) return `${file.name}:${rest}`;
      rest -= lines;
    }
    return first;
  };
  const places = findPlaces(text);
  return {
    text,
    locate: (offset) => placeOf(Buffer.from(text).subarray(0, offset).toString().split('\n').length),
    place: (...where) => {
      const line = places.find(...where);
      return line === undefined ? first : placeOf(line);
    },
  };
}

export function versionOf(sources: RuleSources): string {
  const hash = createHash('sha256');
  for (const file of [sources.relationships, ...sources.actions, ...sources.policies]) {
    hash.update(`${Buffer.byteLength(file.text)}:`).update(file.text);
  }
  return hash.digest('hex');
}
