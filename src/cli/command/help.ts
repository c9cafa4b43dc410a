/** The help of a command, made from what it declares: for people in a terminal, and for tests that look options up. */
import type {
  OptionDeclaration,
  OptionDeclarations,
  PositionalDeclaration,
  PositionalDeclarations,
  Signature,
} from './parse-arguments.js';

const HELP_WIDTH = 100;
/** A longer term has a line of its own, so that the column of meanings stays wide. */
const MAX_TERM_WIDTH = 26;

/** The parts of help that don't follow from the arguments. */
export interface Documentation {
  /** Paragraphs about what the command does; an empty line separates paragraphs, other line ends don't count. */
  readonly description: string;
  /** The meaning of 0 and 1; that of 2 is the same for all commands unless it is given. */
  readonly exitCodes?: Readonly<Partial<Record<0 | 1 | 2, string>>>;
  /** Command lines, as they are typed. */
  readonly examples?: readonly string[];
}

type AnySignature = Signature<PositionalDeclarations, OptionDeclarations>;
type HelpRow = readonly [term: string, meaning: string];

const COMMON_EXIT_CODES = {
  0: 'it is done',
  2: "the command line, or something that it names, can't be used",
} as const;

export function commandHelp(command: AnySignature & Documentation): string {
  const { positionals = [], rest, options, exitCodes = {}, examples = [] } = command;
  const argumentRows = [...positionals, ...(rest === undefined ? [] : [rest])].map(argumentRow);
  return sections([
    `Usage: ${usageLine(command)}`,
    paragraphs(command.description),
    table('Arguments', argumentRows),
    table('Options', [...Object.entries(options).map(optionRow), ['-h, --help', 'prints this']]),
    table('Exit codes', Object.entries({ ...COMMON_EXIT_CODES, ...exitCodes })),
    examples.length === 0 ? '' : ['Examples:', ...examples.map((example) => `  ${example}`)].join('\n'),
  ]);
}

/** The help of a command that has others below it. @param summaries a line for each of them, by its name */
export function groupHelp(
  name: string,
  description: string,
  summaries: Readonly<Record<string, string>>,
  commands: readonly AnySignature[],
  defaultCommand: AnySignature,
): string {
  return sections([
    commands.map((command, i) => `${i === 0 ? 'Usage: ' : '       '}${usageLine(command)}`).join('\n'),
    paragraphs(description),
    table('Commands', Object.entries(summaries)),
    table(`Options of remit ${defaultCommand.name}`, Object.entries(defaultCommand.options).map(optionRow)),
    `remit ${name} COMMAND --help describes each.`,
  ]);
}

/** Rows of two columns below a heading; empty where there are none. */
export function table(heading: string, rows: readonly HelpRow[]): string {
  if (rows.length === 0) return '';
  const width = Math.min(MAX_TERM_WIDTH, Math.max(...rows.map(([term]) => term.length)));
  const lines = rows.flatMap(([term, meaning]) => {
    const [first = '', ...others] = wrapText(meaning, HELP_WIDTH - width - 4);
    const indent = ' '.repeat(width + 4);
    const continued = others.map((line) => `${indent}${line}`);
    return term.length > width
      ? [`  ${term}`, `${indent}${first}`, ...continued]
      : [`  ${term.padEnd(width)}  ${first}`.trimEnd(), ...continued];
  });
  return [`${heading}:`, ...lines].join('\n');
}

/** The non-empty parts of a help text, an empty line between them. */
export function sections(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function usageLine({ name, positionals = [], rest, options }: AnySignature): string {
  const required = Object.entries(options).filter(([, option]) => option.required);
  return [
    `remit ${name}`,
    ...positionals.map((positional) => positional.name),
    ...(rest === undefined ? [] : [`[${rest.name}…]`]),
    ...required.map((option) => optionTerm(...option)),
    ...(Object.keys(options).length > required.length ? ['[options]'] : []),
  ].join(' ');
}

function argumentRow({ name, description }: PositionalDeclaration): HelpRow {
  return [name, description];
}

function optionRow([name, option]: readonly [string, OptionDeclaration]): HelpRow {
  const notes = [
    ...(option.required ? ['required'] : []),
    ...(option.multiple ? ['may be repeated'] : []),
    ...(option.default === undefined ? [] : [`default: ${option.default}`]),
  ];
  return [optionTerm(name, option), `${option.description}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`];
}

function optionTerm(name: string, { value }: OptionDeclaration): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function paragraphs(text: string): string {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => wrapText(paragraph, HELP_WIDTH).join('\n'))
    .join('\n\n');
}

/** Lines of at most so many characters, broken between words. */
function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
