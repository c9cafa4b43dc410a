/** `remit decide`: one decision from the command line, against the same engines and routes. */
import { loadConfig } from '../config/config.js';
import { openServiceClient, rejectionError } from './service-client.js';
import { parseJsonObject, readOptions, readTokenOrStdin, UsageError, type Command } from './command.js';
import { decisionText, type DecisionAnswer } from './print/decision.js';

const HELP = `
Usage: remit decide --action NAME --resource TYPE:ID (--token TOKEN | --mode human) --subject TYPE:ID [options]

Asks for one decision and prints it with its rationale. Uses the running service of the data directory, or, where none
runs, opens the engines itself. Exit code 0 for an allow, 1 for a deny.

  --subject TYPE:ID     the user or the agent of the token
  --action NAME         what is to be done
  --resource TYPE:ID    to what
  --token TOKEN         the agent's delegation token; "-" reads it from standard input
  --agent ID            without a token: the agent that the client vouches for
  --mode human          without a token: the user alone
  --properties JSON     attributes of the resource, overriding what is stored
  --action-properties JSON, --context JSON
  --dry-run             decides and records as such, spending nothing
  --key KEY             the client's key (default: REMIT_KEY, or the development key)
  --config FILE         the configuration (default: REMIT_CONFIG, or the sample's)
  --json                prints the answer as it comes over HTTP
`;

export const decideCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      subject: { type: 'string' },
      action: { type: 'string' },
      resource: { type: 'string' },
      token: { type: 'string' },
      agent: { type: 'string' },
      mode: { type: 'string' },
      properties: { type: 'string' },
      'action-properties': { type: 'string' },
      context: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      key: { type: 'string' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit decide --help`);
    const subject = parseEntityOption(values.subject, '--subject');
    const resource = parseEntityOption(values.resource, '--resource');
    if (values.action === undefined) throw new UsageError('--action is required; see remit decide --help');
    const token = values.token === undefined ? undefined : await readTokenOrStdin(values.token);
    const config = loadConfig(values.config);
    const client = await openServiceClient(config, values.key ?? config.clientKey);
    try {
      const { status, body } = await client.post('/access/v1/evaluation', {
        subject: { ...subject, ...(values.agent === undefined ? {} : { properties: { act: { sub: values.agent } } }) },
        action: {
          name: values.action,
          ...(values['action-properties'] === undefined
            ? {}
            : { properties: parseJsonObject(values['action-properties'], '--action-properties') }),
        },
        resource: {
          ...resource,
          ...(values.properties === undefined
            ? {}
            : { properties: parseJsonObject(values.properties, '--properties') }),
        },
        context: {
          ...(values.context === undefined ? {} : parseJsonObject(values.context, '--context')),
          ...(token === undefined ? {} : { token }),
          ...(values.mode === undefined ? {} : { mode: values.mode }),
          ...(values['dry-run'] ? { dry_run: true } : {}),
        },
      });
      if (status !== 200 && status !== 503) throw rejectionError({ status, body });
      process.stdout.write(
        values.json ? `${JSON.stringify(body, undefined, 2)}\n` : decisionText(body as DecisionAnswer),
      );
      return (body as DecisionAnswer).decision ? 0 : 1;
    } finally {
      await client.close();
    }
  },
};

function parseEntityOption(text: string | undefined, option: string): { type: string; id: string } {
  const colon = text?.indexOf(':') ?? -1;
  if (text === undefined || colon < 1 || colon === text.length - 1)
    throw new UsageError(
      `${option} ${text === undefined ? 'TYPE:ID is required' : `"${text}" must be TYPE:ID`}; see remit decide --help`,
    );
  return { type: text.slice(0, colon), id: text.slice(colon + 1) };
}
