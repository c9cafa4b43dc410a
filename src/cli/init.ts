/** `remit init`: a new company that passes its checks and starts. */
import { join, resolve } from 'node:path';
import { writeTemplate, TEMPLATES, type TemplateName } from '../author/check/templates.js';
import { displayPath } from '../config/files.js';
import { formatProblem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import { readOptions, UsageError, type Command } from './command.js';

const TEMPLATE_NAMES = Object.keys(TEMPLATES) as TemplateName[];

const HELP = `
Usage: remit init DIR [--template NAME] [--json]

Makes a new company: a SpiceDB schema, a Cedar schema, policies with their tests, a world to try things in, and the
configuration. DIR must be empty, or not there yet.

  --template NAME   ${TEMPLATE_NAMES.map((name) => `${name.padEnd(12)} ${TEMPLATES[name].summary}`).join('\n                    ')}
                    (default: documents)
  --json            prints {"directory", "files": […], "next": […]}
`;

export const initCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      template: { type: 'string', default: 'documents' },
      json: { type: 'boolean', default: false },
    });
    const [argument, extra] = positionals;
    if (argument === undefined || argument === '' || extra !== undefined)
      throw new UsageError('remit init takes one directory; see remit init --help');
    const template = TEMPLATE_NAMES.find((name) => name === values.template);
    if (template === undefined) {
      const message = `there is no template "${values.template}"`;
      const suggestion = suggestNearest(values.template, TEMPLATE_NAMES);
      throw new UsageError(`${formatProblem({ message, suggestion })}: ${TEMPLATE_NAMES.join(', ')}`);
    }
    const directory = resolve(argument);
    const files = writeTemplate(directory, template);
    const next = nextSteps(displayPath(join(directory, 'remit.yaml')), template);
    if (values.json) process.stdout.write(`${JSON.stringify({ directory, files, next })}\n`);
    else {
      const list = files.map((file) => `  ${file}\n`).join('');
      process.stdout.write(`Made of the template "${template}", in ${displayPath(directory)}:\n${list}\n`);
      process.stdout.write(`What to do next:\n\n${next.map((line) => `  ${line}\n`).join('')}`);
    }
    return 0;
  },
};

/** Commands for a shell, in order. */
function nextSteps(file: string, template: TemplateName): string[] {
  const config = `--config ${shellQuoted(file)}`;
  const { user, agent, scope, action, resource } = TEMPLATES[template].ask;
  return [
    `remit check ${config}`,
    `remit test ${config}`,
    `TOKEN=$(remit token ${config} --user ${user} --agent ${agent} --scope ${scope})`,
    `remit decide ${config} --subject user:${user} --action ${action} --resource ${resource} --token "$TOKEN"`,
    `remit serve ${config}`,
  ];
}

function shellQuoted(path: string): string {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
