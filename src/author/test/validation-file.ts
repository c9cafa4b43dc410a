/** Reads the validation files of SpiceDB (`zed validate`, the Playground) as they are. */
import { z } from 'zod';
import type { PermissionAssertion, PermissionHolder } from '../../graph/embedded/sandbox.js';
import { StrictJsonError, parseStrictJson } from '../../runtime/strict-json.js';
import type { Relationship } from '../../model/relationships.js';
import { parseRelationship, relationshipKey } from '../../graph/relationship-text.js';
import type { SuiteFindings, Path } from './suite-findings.js';

const textLines = z.array(z.string().min(1).max(8192)).max(10_000);

export const validationFileFormat = z.strictObject({
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
export type ValidationFile = z.infer<typeof validationFileFormat>;

export const ASSERTION_RESULTS = { assertTrue: 'yes', assertFalse: 'no', assertCaveated: 'conditional' } as const;

export interface FileAssertion {
  readonly kind: keyof typeof ASSERTION_RESULTS;
  readonly text: string;
  readonly assertion: PermissionAssertion;
  readonly path: Path;
}

export interface ExpectedMembers {
  readonly key: string;
  readonly resource: Relationship['resource'];
  readonly permission: string;
  /** Sorted texts, as {@link memberText} writes them. */
  readonly members: readonly string[];
  readonly path: Path;
}

/** Parses the parts of a validation file, and reports what can't be parsed. */
export class ValidationReader {
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
    if (error.path !== '')
      throw new TypeError(`has a context in which ${error.path} ${error.message}`, { cause: error });
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

/** The member as a validation file writes it. */
export function memberText({ subject, conditional, exceptions, relations }: PermissionHolder): string {
  const but = exceptions.length === 0 ? '' : ` - {${exceptions.join(', ')}}`;
  return `[${subject}${conditional ? '[...]' : ''}${but}] is ${relations.map((r) => `<${r}>`).join('/')}`;
}
