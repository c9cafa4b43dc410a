/** `remit decide`: one decision from the command line, by the same engines and routes as over HTTP. */
import { loadConfig } from '../config/config.js';
import { UsageError } from './command/usage-error.js';
import { defineCommand } from './command/define-command.js';
import {
  CLIENT_KEY_OPTION,
  CONFIG_OPTION,
  parseEntityOption,
  parseJsonOption,
  readTokenOrStdin,
} from './command/option-values.js';
import { listDecideCures } from './print/decide-cures.js';
import { decisionText, type DecisionAnswer } from './print/decision.js';
import { printJson } from './print/terminal.js';
import { findTypedIds, printWarnings } from './token-warnings.js';
import { parseReply, rejectionError, withServiceClient } from './service-client.js';

export const decideCommand = defineCommand({
  name: 'decide',
  description: `
    Asks for one decision and prints it with its rationale. With --token, the token names the agent and the user; without
    one, --agent names the agent, or --mode human says that there is none. The running service of the data directory is
    asked; where none runs, the command opens the engines itself.`,
  options: {
    subject: {
      value: 'TYPE:ID',
      description: 'the user or the agent of the token',
      required: true,
      parse: parseEntityOption,
    },
    action: { value: 'NAME', description: 'the action, as the Cedar schema names it', required: true },
    resource: {
      value: 'TYPE:ID',
      description: 'the resource that the action is for',
      required: true,
      parse: parseEntityOption,
    },
    token: { value: 'TOKEN', description: 'the agent\'s delegation token; "-" reads it from standard input' },
    agent: { value: 'ID', description: 'without a token: the agent that the client vouches for' },
    mode: { value: 'human', description: 'without a token: the user alone', parse: parseModeOption },
    properties: {
      value: 'JSON',
      description: 'attributes of the resource, which override the stored ones',
      parse: parseJsonOption,
    },
    'action-properties': { value: 'JSON', description: 'properties of the action', parse: parseJsonOption },
    context: { value: 'JSON', description: "the request's context", parse: parseJsonOption },
    'dry-run': { description: 'decides and records as a dry run, spending nothing' },
    key: CLIENT_KEY_OPTION,
    config: CONFIG_OPTION,
    json: { description: 'prints the answer as it is over HTTP' },
  },
  exitCodes: { 0: 'allowed', 1: 'denied' },
  examples: [
    'remit decide --subject user:ann --action read --resource document:plan --token "$TOKEN"',
    'remit decide --subject user:ann --action read --resource document:plan --mode human',
  ],
  run: async ({ options }) => {
    const { subject, action, resource, agent, mode, properties, context } = options;
    if (options.token !== undefined && (agent ?? mode) !== undefined)
      throw new UsageError('--token says who acts: it excludes --agent and --mode; see remit decide --help');
    printWarnings(findTypedIds({ '--agent': agent }));
    const actionProperties = options['action-properties'];
    const token = options.token === undefined ? undefined : await readTokenOrStdin(options.token);
    const request = {
      subject: { ...subject, ...(agent === undefined ? {} : { properties: { act: { sub: agent } } }) },
      action: { name: action, ...(actionProperties === undefined ? {} : { properties: actionProperties }) },
      resource: { ...resource, ...(properties === undefined ? {} : { properties }) },
      context: {
        ...context,
        ...(token === undefined ? {} : { token }),
        ...(mode === undefined ? {} : { mode }),
        ...(options['dry-run'] ? { dry_run: true } : {}),
      },
    };
    return withServiceClient(loadConfig(options.config), options.key, async (client) => {
      const reply = await client.post('/access/v1/evaluation', request);
      // 503: an engine could not answer, and the body says which.
      if (reply.status !== 200 && reply.status !== 503) throw rejectionError(reply);
      const answer = parseReply(reply) as DecisionAnswer;
      if (options.json) printJson(answer);
      else {
        const cures = listDecideCures(answer.context?.reasons ?? [], {
          hasToken: token !== undefined,
          config: options.config,
          resource,
        });
        process.stdout.write(decisionText(answer, cures));
      }
      return answer.decision ? 0 : 1;
    });
  },
});

/** @throws UsageError */
function parseModeOption(text: string, option: string): 'human' {
  if (text === 'human') return text;
  throw new UsageError(`${option} must be "human"`);
}
