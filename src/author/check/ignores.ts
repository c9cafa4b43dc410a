/**
 * `// remit-ignore: <rule> — <reason>`: a warning that its author knows about. It holds for the line that it stands
 * on, or where it has a line to itself, for the next one that says something.
 */
import { Findings, meant, type Finding } from '../../diagnostics/diagnostics.js';
import { locationAt, type SourceFile } from '../../diagnostics/source.js';
import { LINTS } from '../../policy/lint/lints.js';
import { RULES } from './rules.js';

interface Ignore {
  readonly rule: string;
  /** Of what it is said. */
  readonly line: number;
  readonly index: number;
  readonly file: SourceFile;
}

/** A string, or the comment that ends a line; YAML's begins with `#`. */
const COMMENT = { cedar: /"(?:\\.|[^"\\])*"|\/\/(.*)$/g, yaml: /"(?:\\.|[^"\\])*"|'[^']*'|(?<=^|\s)#(.*)$/g };
const FORM = /^\s*remit-ignore:\s*(\w[\w-]*)(?:\s+(?:—|–|--?)(?:\s+(\S.*))?)?\s*$/;
const CAN_BE_IGNORED = LINTS.map(({ rule }) => rule);

/** The findings that are left, with what is wrong with the ignores themselves. @param complete whether all lints ran */
export function withoutIgnored(
  found: readonly Finding[],
  files: readonly SourceFile[],
  { complete, skipped }: { readonly complete: boolean; readonly skipped: readonly string[] },
): Finding[] {
  const problems = new Findings();
  const ignores = files.flatMap((file) => ignoresOf(file, problems));
  const by = (finding: Finding): Ignore[] =>
    ignores.filter((i) => i.rule === finding.rule && i.file.name === finding.file && i.line === finding.line);
  const used = new Set(found.flatMap(by));
  const unused = ignores.filter((ignore) => complete && !used.has(ignore) && !skipped.includes(ignore.rule));
  return [
    ...found.filter((finding) => by(finding).length === 0),
    ...problems.all,
    ...unused.map(({ rule, file, index }): Finding => ({
      rule: 'ignore-unused',
      severity: 'warning',
      ...locationAt(file, index),
      message: `there is no ${rule} to ignore here`,
    })),
  ];
}

function ignoresOf(file: SourceFile, problems: Findings): Ignore[] {
  const pattern = /\.ya?ml$/.test(file.name) ? COMMENT.yaml : COMMENT.cedar;
  let start = 0;
  /** Those that wait for a line that says something. */
  let waiting: Omit<Ignore, 'line'>[] = [];
  const ignores: Ignore[] = [];
  for (const [i, text] of file.text.split('\n').entries()) {
    const comment = [...text.matchAll(pattern)].find((match) => match[1] !== undefined);
    const says = text.slice(0, comment?.index).trim() !== '';
    const ignore = comment === undefined ? undefined : read(comment[1] ?? '', file, start + comment.index, problems);
    if (ignore !== undefined) waiting.push(ignore);
    if (says) {
      ignores.push(...waiting.map((one) => ({ ...one, line: i + 1 })));
      waiting = [];
    }
    start += text.length + 1;
  }
  return [...ignores, ...waiting.map((one) => ({ ...one, line: 0 }))];
}

function read(comment: string, file: SourceFile, index: number, problems: Findings): Omit<Ignore, 'line'> | undefined {
  if (!/^\s*remit-ignore\b/.test(comment)) return undefined;
  const at = locationAt(file, index);
  const [, rule, reason] = FORM.exec(comment) ?? [];
  if (rule === undefined) problems.error('ignore-invalid', at, 'must be "remit-ignore: <rule> — <reason>"');
  else if (RULES.get(rule)?.severity === 'error')
    problems.error('ignore-invalid', at, `"${rule}" is an error, which can't be ignored`);
  else if (!CAN_BE_IGNORED.includes(rule))
    problems.error('ignore-invalid', at, `there is no rule "${rule}" to ignore`, meant(rule, CAN_BE_IGNORED));
  else if (reason === undefined)
    problems.error('ignore-invalid', at, `ignoring ${rule} needs a reason: "… — <reason>"`);
  else return { rule, index, file };
  return undefined;
}
