/**
 * SpiceDB's validation files (`zed validate`, the Playground), as they are: relationships, assertions on them, and the
 * relations by which subjects have a permission.
 */
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readText, shown } from '../../config/files.js';
import { Membership, type Assertion, type Holds, type Member } from '../../graph/membership.js';
import { BadRequest, ConfigError } from '../../model/faults.js';
import { JsonProblem, parseJson } from '../../runtime/strict-json.js';
import { type Relationship } from '../../model/relationships.js';
import { relationshipKey } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { Graph } from '../../graph/schema/schema.js';
import type { Difference } from './compare.js';
import { readLocated, Unusable, type Located, type Problem } from './places.js';
import type { Result } from './result.js';

const texts = z.array(z.string().min(1).max(8192)).max(10_000);

const validationFile = z.strictObject({
  schema: z.string().min(1).optional(),
  schemaFile: z.string().min(1).optional(),
  relationships: z.string().nullable().optional(),
  assertions: z
    .strictObject({
      assertTrue: texts.nullable().optional(),
      assertFalse: texts.nullable().optional(),
      assertCaveated: texts.nullable().optional(),
    })
    .nullable()
    .optional(),
  validation: z.record(z.string().min(1), texts.nullable()).nullable().optional(),
});
type ValidationFile = z.infer<typeof validationFile>;

const KINDS = { assertTrue: 'yes', assertFalse: 'no', assertCaveated: 'conditional' } as const;

/**
 * @param graph the configuration's, for a file that names no schema
 * @param wanted whether a case of that file, test and name is to be run
 * @throws ConfigError, Unusable; Fault where SpiceDB won't start
 */
export async function validate(
  path: string,
  graph: Graph,
  wanted: (...names: readonly string[]) => boolean,
): Promise<{ readonly file: string; readonly results: readonly Result[] }> {
  const read = readLocated(path, validationFile);
  if ('problems' in read) throw new Unusable(read.problems);
  const { located } = read;
  const reader = new Reader(located);
  const relationships = reader.relationships();
  const assertions = reader.assertions();
  const expectations = reader.expectations();
  if (reader.problems.length > 0) throw new Unusable(reader.problems);
  const { text, file } = schemaOf(located.value, path, graph);
  const membership = await Membership.start(text, relationships, file).catch((error: unknown) => {
    if (error instanceof BadRequest) throw new Unusable([{ ...located.at(['relationships']), message: error.message }]);
    throw error;
  });
  try {
    const asserted = assertions.filter(({ kind, text: name }) => wanted(located.file, kind, name));
    const expected = expectations.filter(({ key }) => wanted(located.file, 'validation', key));
    const answers = await membership.check(asserted.map(({ assertion }) => assertion));
    const results = asserted.map(({ kind, text: name, path: at }, i): Result => {
      const answer = answers[i] ?? { refused: 'no answer' };
      const common = { place: located.at(at), test: kind, name };
      if (typeof answer !== 'string')
        return { ...common, outcome: 'error', differences: [], because: [answer.refused] };
      return { ...common, ...judged(differing('permission', KINDS[kind], answer)) };
    });
    for (const { key, resource, permission, members, path: at } of expected) {
      const common = { place: located.at(at), test: 'validation', name: key };
      try {
        const found = (await membership.members(resource, permission)).map(memberText).sort();
        results.push({ ...common, ...judged(differing('members', members, found)) });
      } catch (error) {
        if (!(error instanceof BadRequest)) throw error;
        results.push({ ...common, outcome: 'error', differences: [], because: [error.message] });
      }
    }
    return { file: located.file, results };
  } finally {
    membership.close();
  }
}

function judged(differences: readonly Difference[]): Pick<Result, 'outcome' | 'differences' | 'because'> {
  return { outcome: differences.length === 0 ? 'passed' : 'failed', differences, because: [] };
}

function differing(
  what: 'permission' | 'members',
  expected: Holds | readonly string[],
  actual: Holds | readonly string[],
): Difference[] {
  return isDeepStrictEqual(expected, actual) ? [] : [{ what, expected, actual }];
}

/** @throws ConfigError */
function schemaOf({ schema, schemaFile }: ValidationFile, path: string, graph: Graph): { text: string; file: string } {
  if (schema !== undefined && schemaFile !== undefined)
    throw new ConfigError('has both "schema" and "schemaFile": one of them', shown(path));
  if (schema !== undefined) return { text: schema, file: `${shown(path)} (schema)` };
  if (schemaFile === undefined) return { text: graph.text, file: graph.file };
  const file = resolve(dirname(path), schemaFile);
  return { text: readText(file), file: shown(file) };
}

type Path = readonly PropertyKey[];

interface Asserted {
  readonly kind: keyof typeof KINDS;
  readonly text: string;
  readonly assertion: Assertion;
  readonly path: Path;
}

interface ExpectedMembers {
  readonly key: string;
  readonly resource: Relationship['resource'];
  readonly permission: string;
  /** As {@link memberText} writes them, sorted. */
  readonly members: readonly string[];
  readonly path: Path;
}

class Reader {
  readonly problems: Problem[] = [];

  constructor(private readonly located: Located<ValidationFile>) {}

  relationships(): Relationship[] {
    const lines = (this.located.value.relationships ?? '').split('\n');
    const found = new Map<string, Relationship>();
    for (const [i, line] of lines.entries()) {
      const text = line.replace(/(^|\s)\/\/.*$/, '').trim();
      if (text === '') continue;
      const relationship = this.read(['relationships'], text, parseRelationship, `line ${i + 1} of the block: `);
      if (relationship !== undefined) found.set(relationshipKey(relationship), relationship);
    }
    return [...found.values()];
  }

  assertions(): Asserted[] {
    const { assertions } = this.located.value;
    return (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((kind) =>
      (assertions?.[kind] ?? []).flatMap((text, i) => {
        const path = ['assertions', kind, i];
        const assertion = this.read(path, text.trim(), parseAssertion);
        return assertion === undefined ? [] : [{ kind, text: text.trim(), assertion, path }];
      }),
    );
  }

  expectations(): ExpectedMembers[] {
    return Object.entries(this.located.value.validation ?? {}).flatMap(([key, lines]) => {
      const path = ['validation', key];
      const of = this.read(path, key, parseRelation);
      const members = (lines ?? []).flatMap((text, i) => this.read([...path, i], text, parseMember) ?? []);
      return of === undefined ? [] : [{ key, ...of, members: members.map(memberText).sort(), path }];
    });
  }

  private read<T>(path: Path, text: string, parse: (text: string) => T, where = ''): T | undefined {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.problems.push({ ...this.located.at(path), message: `${where}"${text}" ${error.message}` });
      return undefined;
    }
  }
}

/** `document:plan#view@user:ann with {"day": "tuesday"}`. @throws TypeError */
function parseAssertion(text: string): Assertion {
  const [, before = text, context] = /^(.*?)\s+with\s+(.*)$/s.exec(text) ?? [];
  const { resource, relation, subject, wildcard } = parseRelationship(before);
  if (wildcard === true) throw new TypeError('names everybody, which is nobody to ask about');
  return { resource, permission: relation, subject, ...(context === undefined ? {} : { context: object(context) }) };
}

/** @throws TypeError */
function object(text: string): Record<string, unknown> {
  try {
    const value = parseJson(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
  }
  throw new TypeError(`has a context that is not a JSON object: ${text}`);
}

/** `document:plan#view`. @throws TypeError */
function parseRelation(text: string): { readonly resource: Relationship['resource']; readonly permission: string } {
  const { resource, relation } = parseRelationship(`${text}@user:nobody`);
  return { resource, permission: relation };
}

const MEMBER =
  /^\[(?<subject>[^\]\s]+?)(?<caveated>\[\.\.\.\])?(?:\s+-\s+\{(?<exceptions>[^}]+)\})?\s*\]\s+is\s+(?<relations>.+)$/;

/** `[user:* - {user:ben}] is <document:plan#viewer>/<document:plan#editor>`. @throws TypeError */
function parseMember(text: string): Member {
  const parts = MEMBER.exec(text.trim())?.groups;
  const relations = [...(parts?.['relations'] ?? '').matchAll(/<([^>]+)>/g)].map((m) => m[1] ?? '');
  if (parts === undefined || relations.length === 0)
    throw new TypeError('is not of the form "[user:ann] is <document:plan#viewer>"');
  return {
    subject: withoutEllipsis(parts['subject'] ?? ''),
    conditional: parts['caveated'] !== undefined,
    exceptions: (parts['exceptions'] ?? '')
      .split(',')
      .map((e) => withoutEllipsis(e.trim()))
      .filter((e) => e !== '')
      .sort(),
    relations: relations.sort(),
  };
}

/** `user:ann#...` is `user:ann`. */
function withoutEllipsis(text: string): string {
  return text.replace(/#\.\.\.(?=$|\[)/, '');
}

function memberText({ subject, conditional, exceptions, relations }: Member): string {
  const but = exceptions.length === 0 ? '' : ` - {${exceptions.join(', ')}}`;
  return `[${subject}${conditional ? '[...]' : ''}${but}] is ${relations.map((r) => `<${r}>`).join('/')}`;
}
