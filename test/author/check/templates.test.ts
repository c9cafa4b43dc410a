/** Templates: each passes its checks, is formatted, starts, and answers what `remit init` says to ask. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkProject } from '../../../src/author/check/check.js';
import { Formatter } from '../../../src/author/check/format.js';
import { TEMPLATES, type TemplateName } from '../../../src/author/check/templates.js';
import { initCommand } from '../../../src/cli/init.js';
import { listCedarFiles, readSource } from '../../../src/config/files.js';
import { start } from '../../support/sample.js';
import { TEMPLATES as DIRECTORY } from './company.js';

// Services are started, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 180_000 });

const NAMES = Object.keys(TEMPLATES) as TemplateName[];

function scratch(): string {
  const made = mkdtempSync(join(tmpdir(), 'remit-init-'));
  onTestFinished(() => {
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

interface Made {
  readonly directory: string;
  readonly files: readonly string[];
  readonly next: readonly string[];
}

/** Runs the command in this process and reads what it prints. */
async function init(...args: string[]): Promise<Made> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    expect(await initCommand.run([...args, '--json'])).toBe(0);
    return JSON.parse(String(write.mock.calls[0]?.[0])) as Made;
  } finally {
    write.mockRestore();
  }
}

it('there is one for each directory, and no other', () => {
  expect(readdirSync(DIRECTORY).sort()).toEqual([...NAMES].sort());
});

describe.each(NAMES)('%s', (name) => {
  it('is made whole, passes its checks and is formatted', async () => {
    const made = await init(join(scratch(), 'company'), '--template', name);
    expect(made.files.filter((file) => !existsSync(join(made.directory, file)))).toEqual([]);
    expect(made.files.some((file) => file.endsWith('_test.yaml'))).toBe(true);
    const { findings, rules } = await checkProject(join(made.directory, 'remit.yaml'), { env: {}, tests: true });
    expect(findings).toEqual([]);
    expect(rules?.policies.size).toBeGreaterThan(5);
    const formatter = new Formatter();
    for (const path of listCedarFiles(made.directory)) {
      const file = readSource(path);
      expect(formatter.format(file)).toBe(file.text);
    }
  });

  it('names schemas for editors that there are, here and where it is made', async () => {
    const made = await init(join(scratch(), 'company'), '--template', name);
    for (const directory of [join(DIRECTORY, name), made.directory]) {
      const tests = readdirSync(join(directory, 'policies')).filter((file) => file.endsWith('_test.yaml'));
      for (const file of ['remit.yaml', 'world.yaml', ...tests.map((file) => join('policies', file))]) {
        const [schema = ''] = /(?<=\$schema=)\S+/.exec(readFileSync(join(directory, file), 'utf8')) ?? [];
        expect(existsSync(resolve(dirname(join(directory, file)), schema)), `${file}: ${schema}`).toBe(true);
      }
    }
  });

  it('starts, and allows what is to be asked next, and no stranger', async () => {
    const made = await init(join(scratch(), 'company'), '--template', name);
    const { user, agent, scope, action, resource } = TEMPLATES[name].ask;
    const asked = made.next.join('\n');
    for (const part of [`--user ${user}`, `--agent ${agent}`, `--scope ${scope}`, `--action ${action}`, resource])
      expect(asked).toContain(part);
    const remit = await start(join(made.directory, 'remit.yaml'), join(made.directory, '.remit'));
    try {
      const [type = '', id = ''] = resource.split(':');
      const ask = async (who: string, token: string): Promise<boolean> =>
        (
          await remit.evaluate({
            subject: { type: 'user', id: who },
            action: { name: action },
            resource: { type, id },
            context: { token },
          })
        ).decision;
      expect(await ask(user, await remit.mint({ user, agent, scope }))).toBe(true);
      expect(await ask('stranger', await remit.mint({ user: 'stranger', agent, scope }))).toBe(false);
      expect(await ask(user, await remit.mint({ user, agent: 'retired', scope }))).toBe(false);
    } finally {
      await remit.stop();
    }
  });
});

describe('remit init', () => {
  it('overwrites nothing: a directory with anything in it, or a file, is refused', async () => {
    const at = scratch();
    writeFileSync(join(at, '.hidden'), 'x');
    writeFileSync(join(at, 'file'), 'x');
    await expect(init(at)).rejects.toThrow('is not an empty directory');
    await expect(init(join(at, 'file'))).rejects.toThrow('is not an empty directory');
    expect(readdirSync(at).sort()).toEqual(['.hidden', 'file']);
    mkdirSync(join(at, 'empty'));
    expect((await init(join(at, 'empty'))).files).toContain('remit.yaml');
  });

  it('says commands that a shell understands, wherever it is', async () => {
    const made = await init(join(scratch(), "it's here"));
    expect(made.next[1]).toMatch(/^\S+( \S+)? test --config /);
    expect(made.next[0]).toMatch(/^\S+( \S+)? check --config '\/.*\/it'\\''s here\/remit\.yaml'$/);
  });

  it.each([
    [[], 'remit init needs DIR'],
    [['a', 'b'], 'there is one argument too many: remit init takes DIR'],
    [['a', '--template', 'ticket'], 'there is no template "ticket" (did you mean "tickets"?): documents'],
    [['/proc/nowhere'], /nowhere/],
  ])('refuses %j', async (args, message) => {
    await expect(init(...args)).rejects.toThrow(message);
  });
});
