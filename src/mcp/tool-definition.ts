/**
 * Tools as an MCP server lists them. A server writes what it likes, so every name and text of a definition is as hostile
 * as a request: what can't be named without doubt is refused, by name.
 */
import { isObject } from '../policy/schema/types.js';
import { writeCanonicalJson } from '../runtime/canonical-json.js';
import { sha256 } from '../runtime/sha256.js';
import { MAX_JSON_DEPTH } from '../runtime/strict-json.js';

export type JsonMembers = Readonly<Record<string, unknown>>;

export interface ToolDefinition {
  readonly name: string;
  readonly title: string | undefined;
  readonly inputSchema: JsonMembers;
  readonly outputSchema: JsonMembers | undefined;
  /** The server's own hints about the tool; empty where it gives none. */
  readonly annotations: JsonMembers;
  /** The definition as the server sent it, with members that Remit has no word for. */
  readonly source: JsonMembers;
}

export interface RefusedTool {
  /** The tool's name, or its place in the list where it has none. */
  readonly tool: string;
  /** The rest of a sentence that begins with the tool. */
  readonly problem: string;
}

export interface ToolList {
  /** Sorted by name. */
  readonly tools: readonly ToolDefinition[];
  readonly refused: readonly RefusedTool[];
}

/** The longest name of a tool or an argument, in UTF-16 code units: an action's name has no more. */
export const MAX_TOOL_NAME_LENGTH = 128;
/** Control, format and unassigned characters, and spaces that don't look like one. */
const UNSEEN_CHARACTER = /(?! )[\p{C}\p{Z}]/u;
/** The members of a definition that make a tool what a person has accepted. */
const PINNED_MEMBERS = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'];

/** Says what is wrong with the name of a tool or an argument, as the rest of a sentence; undefined where nothing is. */
export function findMcpNameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.length > MAX_TOOL_NAME_LENGTH) return `is longer than ${MAX_TOOL_NAME_LENGTH} characters`;
  if (!name.isWellFormed()) return 'is not well-formed Unicode';
  if (name === '__proto__') return 'is reserved';
  if (UNSEEN_CHARACTER.test(name)) return 'has a character that is not seen';
  if (name.trim() !== name) return 'begins or ends with a space';
  return name.normalize('NFC') === name ? undefined : 'is not in Unicode normalization form C';
}

/** Reads the entries of a `tools/list` answer, of all its pages. A name that two entries have is refused for both. */
export function readToolList(entries: readonly unknown[]): ToolList {
  const byName = new Map<string, ToolDefinition[]>();
  const refused: RefusedTool[] = [];
  for (const [i, entry] of entries.entries()) {
    const tool = readToolDefinition(entry);
    if (typeof tool === 'string') refused.push({ tool: nameEntry(entry) ?? `tools[${i}]`, problem: tool });
    else byName.set(tool.name, [...(byName.get(tool.name) ?? []), tool]);
  }
  const tools: ToolDefinition[] = [];
  for (const [name, [tool, ...others]] of byName) {
    if (others.length > 0) refused.push({ tool: name, problem: 'is defined more than once' });
    else if (tool !== undefined) tools.push(tool);
  }
  return { tools: tools.toSorted((a, b) => (a.name < b.name ? -1 : 1)), refused };
}

/** @returns a problem, as the rest of a sentence, where the entry is no tool */
function readToolDefinition(entry: unknown): ToolDefinition | string {
  if (!isObject(entry)) return 'is not an object';
  const { name, title, inputSchema, outputSchema, annotations } = entry;
  if (typeof name !== 'string') return 'has no name';
  const nameProblem = findMcpNameProblem(name);
  if (nameProblem !== undefined) return `has a name that ${nameProblem}`;
  if (!fitsDepth(entry, MAX_JSON_DEPTH)) return `is nested more than ${MAX_JSON_DEPTH} levels deep`;
  if (!isObject(inputSchema)) return 'has no inputSchema that is an object';
  if (outputSchema !== undefined && !isObject(outputSchema)) return 'has an outputSchema that is not an object';
  if (annotations !== undefined && !isObject(annotations)) return 'has annotations that are not an object';
  const hints = annotations ?? {};
  const shownTitle = [title, hints['title']].find((text) => typeof text === 'string');
  return { name, title: shownTitle, inputSchema, outputSchema, annotations: hints, source: entry };
}

function fitsDepth(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((part) => fitsDepth(part, levels - 1));
}

function nameEntry(entry: unknown): string | undefined {
  return isObject(entry) && typeof entry['name'] === 'string' && entry['name'] !== ''
    ? entry['name'].slice(0, MAX_TOOL_NAME_LENGTH).toWellFormed()
    : undefined;
}

/** Whether two definitions are the same tool to a person who has accepted one: SHA-256 in hex over what is pinned. */
export function digestTool({ source }: Pick<ToolDefinition, 'source'>): string {
  const pinned = PINNED_MEMBERS.map((member) => [member, source[member]] as const);
  return sha256(writeCanonicalJson(Object.fromEntries(pinned.filter(([, value]) => value !== undefined))));
}
