/** Reads the validation files of SpiceDB (`zed validate`, the Playground) as they are. */
import { z } from 'zod';
import type { PermissionAssertion } from '../../graph/embedded/sandbox.js';
import type { SourceLocation } from '../../diagnostics/diagnostics.js';
import { locationAt, type SourceFile } from '../../diagnostics/source.js';
import { formatRef } from '../../model/ids.js';
import { StrictJsonError, parseStrictJson } from '../../runtime/strict-json.js';
import type { Relationship } from '../../model/relationships.js';
import { formatRelationship, parseStoredRelationship, relationshipKey } from '../../graph/relationship-text.js';
import { formatExpectedMember } from './membership.js';
import { trimBlanks } from '../../runtime/trim-blanks.js';
import type { SuiteFindings, Path } from './suite-findings.js';

const textLines = z.array(z.string().min(1).max(8192)).max(10_000);

export const validationFileFormat = z.strictObject({
  schema: z.string().nullable().optional(),
  schemaFile: z.string().nullable().optional(),
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

export interface FileRelationship {
  readonly relationship: Relationship;
  readonly text: string;
  readonly place: SourceLocation;
}

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
  /** Sorted texts, as {@link formatExpectedMember} writes them. */
  readonly members: readonly string[];
  readonly path: Path;
}

/** Parses the parts of a validation file, and reports what can't be parsed. */
export class ValidationReader {
  constructor(
    private readonly file: ValidationFile,
    private readonly source: SourceFile,
    private readonly findings: SuiteFindings,
  ) {}

  relationships(): FileRelationship[] {
    const byKey = new Map<string, FileRelationship>();
    let from = this.source.text.search(/^relationships\b/m);
    for (const line of (this.file.relationships ?? '').split('\n')) {
      const text = trimBlanks(line);
      if (text === '' || text.startsWith('//')) continue;
      // A block may be folded, so its lines are not those of the file.
      const offset = this.source.text.indexOf(text, from);
      if (offset !== -1) from = offset + text.length;
      const place = offset === -1 ? this.findings.locate(['relationships']) : locationAt(this.source, offset);
      const relationship = this.parseAt(place, text, parseStoredRelationship);
      if (relationship === undefined) continue;
      const key = relationshipKey(relationship);
      if (byKey.has(key)) this.findings.reportAt(place, `"${text}" repeats an earlier relationship`);
      byKey.set(key, { relationship, text, place });
    }
    return [...byKey.values()];
  }

  assertions(): FileAssertion[] {
    const { assertions } = this.file;
    return (Object.keys(ASSERTION_RESULTS) as (keyof typeof ASSERTION_RESULTS)[]).flatMap((kind) =>
      (assertions?.[kind] ?? []).flatMap((text, i) => {
        const path = ['assertions', kind, i];
        const assertion = this.parseAt(this.findings.locate(path), trimBlanks(text), parseAssertion);
        return assertion === undefined ? [] : [{ kind, text: trimBlanks(text), assertion, path }];
      }),
    );
  }

  expectations(): ExpectedMembers[] {
    return Object.entries(this.file.validation ?? {}).flatMap(([key, lines]) => {
      const path = ['validation', key];
      const permissionRef = this.parseAt(this.findings.locate(path), key, parsePermission);
      const members = (lines ?? []).flatMap(
        (text, i) => this.parseAt(this.findings.locate([...path, i]), text, parseMember) ?? [],
      );
      return permissionRef === undefined
        ? []
        : [{ key, ...permissionRef, members: [...new Set(members)].sort(), path }];
    });
  }

  private parseAt<T>(place: SourceLocation, text: string, parse: (text: string) => T): T | undefined {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.findings.reportAt(place, `"${text}" ${error.message}`);
      return undefined;
    }
  }
}

/** @param text such as `document:plan#view@user:ann with {"day": "tuesday"}`. @throws TypeError */
function parseAssertion(text: string): PermissionAssertion {
  const cut = text.indexOf(' with ');
  const [before, context] = cut === -1 ? [text] : [text.slice(0, cut), text.slice(cut + ' with '.length)];
  const { resource, relation, subject, wildcard, caveat } = parseStoredRelationship(before);
  if (wildcard === true) throw new TypeError('has a wildcard as its subject, which can not be checked');
  if (caveat !== undefined) throw new TypeError('has a caveat, which an assertion can not have');
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
  const { resource, relation } = parseStoredRelationship(`${text}@user:any`);
  return { resource, permission: relation };
}

const MEMBER_FORM = 'is not of the form "[user:ann] is <document:plan#viewer>"';
const BRACKETED_SUBJECT = /\[(.*)\]/;
const SUBJECT_FORM = /^(?<subject>[^\]\s]+)(?<conditional>\[\.\.\.\])?(?:\s+-\s+\{(?<exceptions>[^}]+)\})?$/;

/**
 * The member in the form of {@link formatExpectedMember}.
 * @param text such as `[user:* - {user:ben}] is <document:plan#viewer>/<document:plan#editor>`. @throws TypeError
 */
function parseMember(text: string): string {
  const parts = SUBJECT_FORM.exec(trimBlanks(BRACKETED_SUBJECT.exec(text)?.[1] ?? ''))?.groups;
  const relations = [...text.matchAll(/<([^>]+)>/g)].map((match) => formatPermission(match[1] ?? ''));
  if (parts === undefined || relations.length === 0) throw new TypeError(MEMBER_FORM);
  const exceptions = (parts['exceptions']?.split(',') ?? []).map((exception) => {
    const [, subject = '', conditional] = /^(.*?)(\[\.\.\.\])?$/.exec(trimBlanks(exception)) ?? [];
    return { subject: formatSubject(subject), conditional: conditional !== undefined };
  });
  return formatExpectedMember({
    subject: formatSubject(parts['subject'] ?? ''),
    conditional: parts['conditional'] !== undefined,
    exceptions,
    relations,
  });
}

/** The subject as relationships write it: `user:ann` for `user:ann#...`. @throws TypeError */
function formatSubject(text: string): string {
  const prefix = 'document:any#viewer@';
  const relationship = parseStoredRelationship(`${prefix}${text}`);
  if (relationship.caveat !== undefined || relationship.expiresAt !== undefined) throw new TypeError(MEMBER_FORM);
  return formatRelationship(relationship).slice(prefix.length);
}

function formatPermission(text: string): string {
  const { resource, permission } = parsePermission(text);
  return `${formatRef(resource)}#${permission}`;
}
