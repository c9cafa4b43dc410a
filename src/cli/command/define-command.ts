/**
 * A command: what it accepts and what it does, declared once. The files of src/cli that are named after a command make
 * one each, and main.ts runs it.
 */
import { didYouMean } from '../../diagnostics/suggest.js';
import { commandHelp, groupHelp, type Documentation } from './help.js';
import {
  parseArguments,
  wantsHelp,
  type OptionDeclarations,
  type ParsedArguments,
  type PositionalDeclarations,
  type Signature,
} from './parse-arguments.js';
import { UsageError } from './usage-error.js';

export interface Command {
  /**
   * @param args as they follow the command's name; with `--help` among them, help is printed
   * @returns the exit code: 0 fine, 1 a finding or a deny, 2 an input that can't be used
   * @throws UsageError, ConfigError, Fault: main.ts prints them and ends with 2
   */
  readonly run: (args: readonly string[]) => Promise<number>;
}

/** A command without others below it. */
export interface SingleCommand extends Command {
  /** The arguments, for the help of the group that the command is in. */
  readonly signature: Signature<PositionalDeclarations, OptionDeclarations>;
}

export interface CommandDeclaration<P extends PositionalDeclarations, O extends OptionDeclarations>
  extends Signature<P, O>, Documentation {
  /** @returns the exit code */
  readonly run: (args: ParsedArguments<P, O>) => Promise<number>;
}

export function defineCommand<const P extends PositionalDeclarations, const O extends OptionDeclarations>(
  declaration: CommandDeclaration<P, O>,
): SingleCommand {
  return {
    signature: declaration,
    run: async (args) => {
      if (!wantsHelp(args, declaration.options)) return declaration.run(parseArguments(declaration, args));
      process.stdout.write(commandHelp(declaration));
      return 0;
    },
  };
}

export interface CommandGroup<Name extends string> {
  /** The group as it is typed after `remit`. */
  readonly name: string;
  readonly description: string;
  readonly commands: Readonly<Record<Name, SingleCommand>>;
  /** A line for each command. */
  readonly summaries: Readonly<Record<NoInfer<Name>, string>>;
  /** The command that is meant where an option follows the group's name. */
  readonly defaultCommand: NoInfer<Name>;
}

/** Several commands below one word: `remit token inspect`. */
export function defineCommandGroup<const Name extends string>(group: CommandGroup<Name>): Command {
  const commands = new Map<string, SingleCommand>(Object.entries<SingleCommand>(group.commands));
  return {
    run: async (args) => {
      const [name = '', ...rest] = args;
      const command = commands.get(name);
      if (command !== undefined) return command.run(rest);
      if (wantsHelp(args)) {
        const signatures = [...commands.values()].map(({ signature }) => signature);
        const { signature } = group.commands[group.defaultCommand];
        process.stdout.write(groupHelp(group.name, group.description, group.summaries, signatures, signature));
        return 0;
      }
      if (name === '' || name.startsWith('-')) return group.commands[group.defaultCommand].run(args);
      const names = [...commands.keys()].map((command) => `${group.name} ${command}`);
      const suggestion = didYouMean(`${group.name} ${name}`, names);
      throw new UsageError(`there is no command "${group.name} ${name}"${suggestion}; see remit ${group.name} --help`);
    },
  };
}
