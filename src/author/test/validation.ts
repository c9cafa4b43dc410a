/**
 * Runs the validation files of SpiceDB (`zed validate`, the Playground) for `remit test`: relationships, assertions about
 * them, and the relations by which subjects have a permission.
 */
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readTextFile, displayPath } from '../../config/files.js';
import { readYaml } from '../../config/yaml.js';
import { errorAt, FindingsError } from '../../diagnostics/diagnostics.js';
import {
  GraphSandbox,
  type PermissionAssertion,
  type Permissionship,
  type PermissionHolder,
} from '../../graph/embedded/sandbox.js';
import { BadRequest, ConfigError } from '../../model/faults.js';
import { StrictJsonError, parseStrictJson } from '../../runtime/strict-json.js';
import { type Relationship } from '../../model/relationships.js';
import { relationshipKey } from '../../graph/relationship-text.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { OutcomeDifference } from './compare.js';
import { TEST_YAML } from './format.js';
import type { TestResult } from './result.js';
import { SuiteFindings, type Path } from './suite-findings.js';

const textLines = z.array(z.string().min(1).max(8192)).max(10_000);

const validationFile = z.strictObject({
  schema: z.string().min(1).optional(),
  schemaFile: z.string().min(1).optional(),
  relationships: z.string().nullable().optional(),
  assertions: z
    .strictObject({
      assertTrue: textLines.nullable().optional(),
      assertFalse: textLines.nullable().optional(),
      assertCaveated: textLines.nullable().optional(),
    })
    .nullable()
    .optional(),
  validation: z.record(z.string().min(1), textLines.nullable()).nullable().optional(),
});
type ValidationFile = z.infer<typeof validationFile>;

const ASSERTION_RESULTS = { assertTrue: 'yes', assertFalse: 'no', assertCaveated: 'conditional' } as const;

/**
 * @param graph the schema of the configuration, for a file that names none
 * @param isSelected whether the case of that file, test and name is to be run
 * @throws ConfigError where the file or its schema can't be read
 * @throws FindingsError where the file has errors
 * @throws Fault where SpiceDB doesn't start
 */
export async function runValidationFile(
  path: string,
  graph: GraphSchema,
  isSelected: (...names: readonly string[]) => boolean,
): Promise<{ readonly file: string; readonly results: readonly TestResult[] }> {
  const { value, file: source, locate, findings: yamlFindings } = readYaml(path, validationFile, TEST_YAML);
  if (value === undefined) throw new FindingsError(yamlFindings);
  const findings = new SuiteFindings(locate);
  const reader = new ValidationReader(value, findings);
  const relationships = reader.relationships();
  const assertions = reader.assertions();
  const expectations = reader.expectations();
  if (findings.all.length > 0) throw new FindingsError(findings.all);
  const { text, file } = resolveSchema(value, path, graph);
  const membership = await GraphSandbox.start(text, relationships, file).catch((error: unknown) => {
    if (error instanceof BadRequest)
      throw new FindingsError([errorAt('test-invalid', locate(['relationships']), error)]);
    throw error;
  });
  try {
    const asserted = assertions.filter(({ kind, text: name }) => isSelected(source.name, kind, name));
    const expected = expectations.filter(({ key }) => isSelected(source.name, 'validation', key));
    const answers = await membership.check(asserted.map(({ assertion }) => assertion));
    const results = asserted.map(({ kind, text: name, path: at }, i): TestResult => {
      const answer = answers[i] ?? { refused: 'no answer' };
      const common = { place: locate(at), test: kind, name };
      if (typeof answer !== 'string')
        return { ...common, outcome: 'error', differences: [], because: [answer.refused] };
      return { ...common, ...passOrFail(findDifference('permission', ASSERTION_RESULTS[kind], answer)) };
    });
    for (const { key, resource, permission, members, path: at } of expected) {
      const common = { place: locate(at), test: 'validation', name: key };
      try {
        const actual = (await membership.findHolders(resource, permission)).map(memberText).sort();
        results.push({ ...common, ...passOrFail(findDifference('members', members, actual)) });
      } catch (error) {
        if (!(error instanceof BadRequest)) throw error;
        results.push({ ...common, outcome: 'error', differences: [], because: [error.message] });
      }
    }
    return { file: source.name, results };
  } finally {
    membership.close();
  }
}

function passOrFail(
  differences: readonly OutcomeDifference[],
): Pick<TestResult, 'outcome' | 'differences' | 'because'> {
  return { outcome: differences.length === 0 ? 'passed' : 'failed', differences, because: [] };
}

function findDifference(
  aspect: 'permission' | 'members',
  expected: Permissionship | readonly string[],
  actual: Permissionship | readonly string[],
): OutcomeDifference[] {
  return isDeepStrictEqual(expected, actual) ? [] : [{ what: aspect, expected, actual }];
}

/** The schema that the file has or names; otherwise the one of the configuration. @throws ConfigError */
function resolveSchema(
  { schema, schemaFile }: ValidationFile,
  path: string,
  graph: GraphSchema,
): { text: string; file: string } {
  if (schema !== undefined && schemaFile !== undefined)
    throw new ConfigError('the file has both "schema" and "schemaFile", and may have only one', displayPath(path));
  if (schema !== undefined) return { text: schema, file: `${displayPath(path)} (schema)` };
  if (schemaFile === undefined) return { text: graph.text, file: graph.file };
  const file = resolve(dirname(path), schemaFile);
  return { text: readTextFile(file), file: displayPath(file) };
}

interface FileAssertion {
  readonly kind: keyof typeof ASSERTION_RESULTS;
  readonly text: string;
  readonly assertion: PermissionAssertion;
  readonly path: Path;
}

interface ExpectedMembers {
  readonly key: string;
  readonly resource: Relationship['resource'];
  readonly permission: string;
  /** Sorted texts, as {@link memberText} writes them. */
  readonly members: readonly string[];
  readonly path: Path;
}

class ValidationReader {
  constructor(
    private readonly file: ValidationFile,
    private readonly findings: SuiteFindings,
  ) {}

  relationships(): Relationship[] {
    const lines = (this.file.relationships ?? '').split('\n');
    const byKey = new Map<string, Relationship>();
    for (const [i, line] of lines.entries()) {
      const text = line.replace(/(^|\s)\/\/.*$/, '').trim();
      if (text === '') continue;
      const relationship = this.parseAt(['relationships'], text, parseRelationship, `line ${i + 1} of the block: `);
      if (relationship !== undefined) byKey.set(relationshipKey(relationship), relationship);
    }
    return [...byKey.values()];
  }

  assertions(): FileAssertion[] {
    const { assertions } = this.file;
    return (Object.keys(ASSERTION_RESULTS) as (keyof typeof ASSERTION_RESULTS)[]).flatMap((kind) =>
      (assertions?.[kind] ?? []).flatMap((text, i) => {
        const path = ['assertions', kind, i];
        const assertion = this.parseAt(path, text.trim(), parseAssertion);
        return assertion === undefined ? [] : [{ kind, text: text.trim(), assertion, path }];
      }),
    );
  }

  expectations(): ExpectedMembers[] {
    return Object.entries(this.file.validation ?? {}).flatMap(([key, lines]) => {
      const path = ['validation', key];
      const permissionRef = this.parseAt(path, key, parsePermission);
      const members = (lines ?? []).flatMap((text, i) => this.parseAt([...path, i], text, parseMember) ?? []);
      return permissionRef === undefined
        ? []
        : [{ key, ...permissionRef, members: members.map(memberText).sort(), path }];
    });
  }

  private parseAt<T>(path: Path, text: string, parse: (text: string) => T, where = ''): T | undefined {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.findings.report(path, `${where}"${text}" ${error.message}`);
      return undefined;
    }
  }
}

/** @param text such as `document:plan#view@user:ann with {"day": "tuesday"}`. @throws TypeError */
function parseAssertion(text: string): PermissionAssertion {
  const [, before = text, context] = /^(.*?)\s+with\s+(.*)$/s.exec(text) ?? [];
  const { resource, relation, subject, wildcard } = parseRelationship(before);
  if (wildcard === true) throw new TypeError('has a wildcard as its subject, which can not be checked');
  return {
    resource,
    permission: relation,
    subject,
    ...(context === undefined ? {} : { context: parseAssertionContext(context) }),
  };
}

/** @throws TypeError */
function parseAssertionContext(text: string): Record<string, unknown> {
  try {
    const value = parseStrictJson(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new TypeError(`has a context that is not a JSON object: ${text}`);
}

/** @param text such as `document:plan#view`. @throws TypeError */
function parsePermission(text: string): { readonly resource: Relationship['resource']; readonly permission: string } {
  const { resource, relation } = parseRelationship(`${text}@user:any`);
  return { resource, permission: relation };
}

const MEMBER =
  /^\[(?<subject>[^\]\s]+?)(?<caveated>\[\.\.\.\])?(?:\s+-\s+\{(?<exceptions>[^}]+)\})?\s*\]\s+is\s+(?<relations>.+)$/;

/** @param text such as `[user:* - {user:ben}] is <document:plan#viewer>/<document:plan#editor>`. @throws TypeError */
function parseMember(text: string): PermissionHolder {
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

/** `user:ann#...` means `user:ann`. */
function withoutEllipsis(text: string): string {
  return text.replace(/#\.\.\.(?=$|\[)/, '');
}

function memberText({ subject, conditional, exceptions, relations }: PermissionHolder): string {
  const but = exceptions.length === 0 ? '' : ` - {${exceptions.join(', ')}}`;
  return `[${subject}${conditional ? '[...]' : ''}${but}] is ${relations.map((r) => `<${r}>`).join('/')}`;
}
