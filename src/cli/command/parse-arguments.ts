/**
 * The arguments after a command's name, parsed and checked by what the command declares. define-command.ts calls it; the same
 * declarations make the help (help.ts), so an option is described and accepted in one place.
 */
import { parseArgs } from 'node:util';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { UsageError } from './usage-error.js';

export interface OptionDeclaration {
  /** The placeholder of the value in help, such as `FILE`; undefined where the option is a flag. */
  readonly value?: string;
  readonly description: string;
  readonly required?: true;
  /** May be repeated; the value is then a list, which is empty where the option isn't used. */
  readonly multiple?: true;
  /** The text that is parsed where the option isn't used. */
  readonly default?: string;
  /** @throws UsageError naming the option, such as `--limit` */
  readonly parse?: (text: string, option: string) => unknown;
}
export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>;

export interface PositionalDeclaration {
  /** The placeholder in help, such as `DIR`. */
  readonly name: string;
  readonly description: string;
  /** An empty text is a value that the command judges, and no mistake of the command line. */
  readonly allowsEmpty?: true;
}
export type PositionalDeclarations = readonly PositionalDeclaration[];

type ParsedText<D extends OptionDeclaration> = D extends { readonly parse: (...args: never) => infer T } ? T : string;
type OptionValue<D extends OptionDeclaration> = D extends { readonly value: string }
  ? D extends { readonly multiple: true }
    ? readonly ParsedText<D>[]
    : D extends { readonly required: true } | { readonly default: string }
      ? ParsedText<D>
      : ParsedText<D> | undefined
  : boolean;
export type OptionValues<O extends OptionDeclarations> = { readonly [Name in keyof O]: OptionValue<O[Name]> };
export type PositionalValues<P extends PositionalDeclarations> = { readonly [Index in keyof P]: string };

/** The arguments that a command accepts after its name. */
export interface Signature<P extends PositionalDeclarations, O extends OptionDeclarations> {
  /** The command as it is typed after `remit`, such as `token verify`. */
  readonly name: string;
  /** Each is required. */
  readonly positionals?: P;
  /** Any number of further arguments; undefined where there can be none. */
  readonly rest?: PositionalDeclaration;
  readonly options: O;
}

export interface ParsedArguments<P extends PositionalDeclarations, O extends OptionDeclarations> {
  readonly positionals: PositionalValues<P>;
  readonly rest: readonly string[];
  readonly options: OptionValues<O>;
}

/** Whether help is asked for instead of a run. The value of an option isn't: a token may be any text. */
export function wantsHelp(args: readonly string[], options: OptionDeclarations = {}): boolean {
  for (let i = 0; i < args.length && args[i] !== '--'; i += 1) {
    const arg = args[i] ?? '';
    if (arg === '--help' || arg === '-h') return true;
    const name = arg.replace(/^--/, '');
    if (arg.startsWith('--') && Object.hasOwn(options, name) && options[name]?.value !== undefined) i += 1;
  }
  return false;
}

/** @throws UsageError that names the argument, and the command whose help says more */
export function parseArguments<P extends PositionalDeclarations, O extends OptionDeclarations>(
  signature: Signature<P, O>,
  args: readonly string[],
): ParsedArguments<P, O> {
  try {
    const { words, texts } = splitArguments(signature.options, args);
    const required = signature.positionals?.length ?? 0;
    checkPositionals(signature, words);
    return {
      positionals: words.slice(0, required) as unknown as PositionalValues<P>,
      rest: words.slice(required),
      options: optionValues(signature.options, texts),
    };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}; see remit ${signature.name} --help`);
  }
}

interface SplitArguments {
  readonly words: readonly string[];
  /** The texts that an option was given, by its name; of a flag, an empty list. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

/** @throws UsageError for an option that isn't declared, that lacks its value or has one that it doesn't take */
function splitArguments(declarations: OptionDeclarations, args: readonly string[]): SplitArguments {
  const options = Object.fromEntries(
    Object.entries(declarations).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  // Not strict: its messages don't say what was meant.
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true });
  const words: string[] = [];
  const texts = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    const declaration = Object.hasOwn(declarations, name) ? declarations[name] : undefined;
    if (declaration === undefined) {
      const suggestion = suggestNearest(name, Object.keys(declarations), '--');
      throw new UsageError(`there is no option ${rawName}${suggestion === undefined ? '' : ` (${suggestion})`}`);
    }
    if (declaration.value === undefined) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
      texts.set(name, []);
      continue;
    }
    // "--file --json": the next option is not the file's name; "--file=--json" says that it is.
    if (value === undefined) throw new UsageError(`${rawName} needs a value, ${declaration.value}`);
    if (!inlineValue && /^-./.test(value))
      throw new UsageError(
        `${rawName} needs a value, ${declaration.value}; one that begins with "-" follows "=": ${rawName}=…`,
      );
    texts.set(name, [...(texts.get(name) ?? []), value]);
  }
  return { words, texts };
}

/** @throws UsageError where there are too few, or more than the command takes */
function checkPositionals(
  { name, positionals = [], rest }: Signature<PositionalDeclarations, OptionDeclarations>,
  words: readonly string[],
): void {
  for (const [i, positional] of positionals.entries())
    if (words[i] === undefined || (words[i] === '' && positional.allowsEmpty !== true))
      throw new UsageError(`remit ${name} needs ${positional.name}, ${positional.description}`);
  if (words.slice(positionals.length).includes('')) throw new UsageError(`an argument of remit ${name} is empty`);
  const extra = words[positionals.length];
  if (extra === undefined || rest !== undefined) return;
  const accepted = positionals.length === 0 ? 'options only' : positionals.map((p) => p.name).join(' and ');
  // The argument may be part of a token or a key, so it isn't repeated.
  throw new UsageError(`there is one argument too many: remit ${name} takes ${accepted}`);
}

/** @throws UsageError for a value that doesn't parse, or a required option that isn't there */
function optionValues<O extends OptionDeclarations>(declarations: O, texts: SplitArguments['texts']): OptionValues<O> {
  const values = Object.entries(declarations).map(([name, declaration]) => {
    if (declaration.value === undefined) return [name, texts.has(name)];
    const parse = (text: string): unknown => declaration.parse?.(text, `--${name}`) ?? text;
    if (declaration.multiple) return [name, (texts.get(name) ?? []).map(parse)];
    const text = texts.get(name)?.at(-1) ?? declaration.default;
    if (text === undefined && declaration.required) throw new UsageError(`--${name} ${declaration.value} is required`);
    return [name, text === undefined ? undefined : parse(text)];
  });
  return Object.fromEntries(values) as OptionValues<O>;
}
