/**
 * Comments of the form `// remit-ignore: <rule> — <reason>`, by which an author silences a warning. A comment holds for
 * its own line or, where it has a line to itself, for the next line that isn't empty or a comment.
 */
import { FindingCollector, warningAt, type Finding } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { locationAt, type SourceFile } from '../../diagnostics/source.js';
import { tokenizeSchema } from '../../graph/schema/lexer.js';
import { tokenizeCedar } from '../../policy/lexer.js';
import { LINTS } from '../../policy/lint/lints.js';
import { CHECK_RULES } from './check-rules.js';
import { WORLD_LINTS } from './world-lints.js';

interface Ignore {
  readonly rule: string;
  /** The line that it holds for; 0 where no line follows. */
  readonly line: number;
  readonly index: number;
  readonly file: SourceFile;
}

/** YAML's strings, and the comment that ends a line. */
const YAML_STRING_OR_COMMENT = /"(?:\\.|[^"\\\n])*"|'[^'\n]*'|(?<=^|\s)#[^\r\n]*/g;
const IGNORE_FORM = /^\s*remit-ignore:\s*(\w[\w-]*)(?:\s+(?:—|–|--?)(?:\s+(\S.*))?)?\s*$/;
const IGNORABLE_RULES = [...LINTS.map(({ rule }) => rule), ...Object.keys(WORLD_LINTS)];

/**
 * Leaves out the findings that a comment ignores, and adds those about the comments themselves.
 * @param complete whether the lints ran: only then can a comment be unused
 * @param skipped lints that didn't run nevertheless
 */
export function applyIgnores(
  findings: readonly Finding[],
  files: readonly SourceFile[],
  { complete, skipped }: { readonly complete: boolean; readonly skipped: readonly string[] },
): Finding[] {
  const problems = new FindingCollector();
  const ignores = files.flatMap((file) => parseIgnores(file, problems));
  const ignoresFor = (finding: Finding): Ignore[] =>
    ignores.filter((i) => i.rule === finding.rule && i.file.name === finding.file && i.line === finding.line);
  const used = new Set(findings.flatMap(ignoresFor));
  const unused = ignores.filter((ignore) => complete && !used.has(ignore) && !skipped.includes(ignore.rule));
  return [
    ...findings.filter((finding) => ignoresFor(finding).length === 0),
    ...problems.all,
    ...unused.map(({ rule, file, index }) =>
      warningAt('ignore-unused', locationAt(file, index), { message: `there is no ${rule} to ignore here` }),
    ),
  ];
}

function parseIgnores(file: SourceFile, problems: FindingCollector): Ignore[] {
  const comments = findComments(file);
  let start = 0;
  /** Comments that have no line yet: the next one with content is theirs. */
  let waiting: Omit<Ignore, 'line'>[] = [];
  const ignores: Ignore[] = [];
  for (const [i, text] of file.text.split('\n').entries()) {
    const end = start + text.length;
    while ((comments[0]?.index ?? Infinity) < start) comments.shift();
    const comment = (comments[0]?.index ?? Infinity) <= end ? comments[0] : undefined;
    const hasContent = file.text.slice(start, comment?.index ?? end).trim() !== '';
    const ignore = comment === undefined ? undefined : parseIgnore(comment.text, file, comment.index, problems);
    if (ignore !== undefined) waiting.push(ignore);
    if (hasContent) {
      ignores.push(...waiting.map((entry) => ({ ...entry, line: i + 1 })));
      waiting = [];
    }
    start = end + 1;
  }
  return [...ignores, ...waiting.map((entry) => ({ ...entry, line: 0 }))];
}

interface LineComment {
  /** The text behind the sign that begins the comment. */
  readonly text: string;
  readonly index: number;
}

/** The comments that end with their line, in order, as the file's own language reads it. */
function findComments({ name, text }: SourceFile): LineComment[] {
  if (/\.ya?ml$/.test(name))
    return [...text.matchAll(YAML_STRING_OR_COMMENT)]
      .filter(([comment]) => comment.startsWith('#'))
      .map((match) => ({ text: match[0].slice(1), index: match.index }));
  const tokens = name.endsWith('.zed')
    ? tokenizeSchema(text).map(({ kind, text: comment, start }) => ({ kind, text: comment, index: start }))
    : tokenizeCedar(text);
  return tokens
    .filter((token) => token.kind === 'comment' && token.text.startsWith('//'))
    .map((token) => ({ text: token.text.slice(2), index: token.index }));
}

function parseIgnore(
  comment: string,
  file: SourceFile,
  index: number,
  problems: FindingCollector,
): Omit<Ignore, 'line'> | undefined {
  if (!/^\s*remit-ignore\b/.test(comment)) return undefined;
  const location = locationAt(file, index);
  const [, rule, reason] = IGNORE_FORM.exec(comment) ?? [];
  if (rule === undefined) problems.error('ignore-invalid', location, 'must be "remit-ignore: <rule> — <reason>"');
  else if (CHECK_RULES.get(rule)?.severity === 'error')
    problems.error('ignore-invalid', location, `"${rule}" is an error, which can't be ignored`);
  else if (!IGNORABLE_RULES.includes(rule))
    problems.error(
      'ignore-invalid',
      location,
      `there is no rule "${rule}" to ignore`,
      suggestNearest(rule, IGNORABLE_RULES),
    );
  else if (reason === undefined)
    problems.error('ignore-invalid', location, `ignoring ${rule} needs a reason: "… — <reason>"`);
  else return { rule, index, file };
  return undefined;
}
