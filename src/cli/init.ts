/** `remit init`: a new company, from a template, that passes its checks and starts. */
import { join, resolve } from 'node:path';
import { TEMPLATES, writeTemplate, type TemplateName } from '../author/check/templates.js';
import { displayPath } from '../config/files.js';
import { didYouMean } from '../diagnostics/suggest.js';
import { defineCommand } from './command/define-command.js';
import { nameProgram, quoteForShell } from './print/program-name.js';
import { printJsonLine } from './print/terminal.js';
import { UsageError } from './command/usage-error.js';

const TEMPLATE_NAMES = Object.keys(TEMPLATES) as TemplateName[];

export const initCommand = defineCommand({
  name: 'init',
  description: `
    Makes a new company: a SpiceDB schema, a Cedar schema, policies with their tests, a world to try things in, and the
    configuration.

    Templates: ${TEMPLATE_NAMES.map((name) => `${name} (${TEMPLATES[name].summary})`).join('; ')}.`,
  positionals: [{ name: 'DIR', description: 'one directory, which is empty or does not exist yet' }],
  options: {
    template: { value: 'NAME', description: 'what it is made of', default: 'documents', parse: parseTemplateName },
    json: { description: 'prints {"directory", "files": […], "next": […]}' },
  },
  examples: ['remit init company --template tickets'],
  run: async ({ positionals: [argument], options }) => {
    const { template } = options;
    const directory = resolve(argument);
    const files = writeTemplate(directory, template);
    const next = nextSteps(displayPath(join(directory, 'remit.yaml')), template);
    if (options.json) printJsonLine({ directory, files, next });
    else {
      const list = files.map((file) => `  ${file}\n`).join('');
      process.stdout.write(`Made from the template "${template}", in ${displayPath(directory)}:\n${list}\n`);
      process.stdout.write(`What to do next:\n\n${next.map((line) => `  ${line}\n`).join('')}`);
    }
    return 0;
  },
});

/** @throws UsageError naming the templates that there are */
function parseTemplateName(text: string): TemplateName {
  const template = TEMPLATE_NAMES.find((name) => name === text);
  if (template !== undefined) return template;
  const suggestion = didYouMean(text, TEMPLATE_NAMES);
  throw new UsageError(`there is no template "${text}"${suggestion}: ${TEMPLATE_NAMES.join(', ')}`);
}

/** Commands for a shell, in order. */
function nextSteps(file: string, template: TemplateName): string[] {
  const config = `--config ${quoteForShell(file)}`;
  const { user, agent, scope, action, resource } = TEMPLATES[template].ask;
  const remit = nameProgram();
  return [
    `${remit} check ${config}`,
    `${remit} test ${config}`,
    `TOKEN=$(${remit} token ${config} --user ${user} --agent ${agent} --scope ${scope})`,
    `${remit} decide ${config} --subject user:${user} --action ${action} --resource ${resource} --token "$TOKEN"`,
    `${remit} serve ${config}`,
  ];
}
