/**
 * The benchmark's world, made from a seed: a company of 2,000 relationships, 100 policies of which about ten apply to
 * a question, and 1,000 different questions, each with the answer that an oracle here expects. The oracle knows the
 * world as it was built and not as an engine stores it, so it can contradict the engines.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const RELATIONSHIPS = 2000;
export const POLICIES = 100;
const PEOPLE = 300;
const REPORTS = 5; // Direct reports a manager has: records lie up to four levels deep.
const TEAMS = 60;
const REPOSITORIES = 200;

/** What is asked, how often it is to be allowed and denied: reads and allows prevail, as they do in use. */
const ACTIONS = [
  { name: 'read', type: 'employee', uid: 'HR::Action::"read"', resource: 'HR::Employee', allow: 300, deny: 20 },
  { name: 'update', type: 'employee', uid: 'HR::Action::"update"', resource: 'HR::Employee', allow: 150, deny: 15 },
  { name: 'export', type: 'employee', uid: 'HR::Action::"export"', resource: 'HR::Employee', allow: 50, deny: 10 },
  { name: 'delete', type: 'employee', uid: 'HR::Action::"delete"', resource: 'HR::Employee', allow: 0, deny: 15 },
  { name: 'read', type: 'repository', uid: 'Code::Action::"read"', resource: 'Code::Repository', allow: 200, deny: 20 },
  { name: 'push', type: 'repository', uid: 'Code::Action::"push"', resource: 'Code::Repository', allow: 150, deny: 20 },
  {
    name: 'merge',
    type: 'repository',
    uid: 'Code::Action::"merge"',
    resource: 'Code::Repository',
    allow: 40,
    deny: 10,
  },
];
export const SCOPES = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';

const AGENTS = [
  ...Array.from({ length: 6 }, (_, i) => ({ id: `assistant-${i}`, kind: 'assistant', suspended: i === 5 })),
  ...Array.from({ length: 4 }, (_, i) => ({ id: `coder-${i}`, kind: 'coder', suspended: false })),
  ...Array.from({ length: 2 }, (_, i) => ({ id: `exporter-${i}`, kind: 'payroll-exporter', suspended: false })),
];

/** Six forbids for agents on each action. Only the first ever applies: the others are read and found not to. */
const CONDITIONS = {
  employee: (n) => [
    'resource.status == "sealed"',
    `resource.status == "hold-${n}" && principal.kind == "assistant"`,
    `resource has department && resource.department == "closed-${n}"`,
    `resource has location && resource.location == "site-${n}" && principal.kind != "payroll-exporter"`,
    `principal has vendor && principal.vendor == "vendor-${n}"`,
    `context.delegation.depth > ${n + 3}`,
  ],
  repository: (n) => [
    'resource.visibility == "sealed"',
    `resource.visibility == "hold-${n}" && principal.kind == "coder"`,
    `resource has language && resource.language == "language-${n}"`,
    `resource.protected_branches.contains("frozen-${n}")`,
    `principal has vendor && principal.vendor == "vendor-${n}"`,
    `context.delegation.depth > ${n + 3}`,
  ],
};

const sample = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Writes configuration, policies and world into `directory`. @returns the questions and the configuration's path */
export function writeWorld(directory, { seed, key, lists = false }) {
  const world = makeWorld(seed);
  if (lists) addLists(world);
  const policies = join(directory, 'policies');
  mkdirSync(policies, { recursive: true });
  cpSync(sample('policies'), policies, { recursive: true });
  writeFileSync(join(policies, 'generated.cedar'), generatedPolicies(countPolicies(policies)));
  // JSON is YAML too.
  writeFileSync(
    join(directory, 'world.yaml'),
    JSON.stringify({ relationships: world.relationships.join('\n'), entities: world.entities }),
  );
  const config = join(directory, 'remit.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      listen: { host: '127.0.0.1', port: 0 },
      schema: { relationships: sample('schema/acme.zed'), actions: sample('schema/acme.cedarschema') },
      policies: 'policies',
      world: 'world.yaml',
      data: 'data',
      issuers: [],
      limits: { agent_rate: 1_000_000 },
      clients: [
        {
          id: 'bench',
          key_sha256: createHash('sha256').update(key).digest('hex'),
          may: ['evaluate', 'filter'],
          rate: 1_000_000,
        },
      ],
    }),
  );
  return { config, questions: world.questions };
}

/** Records for lists: of each hundred the user `u50` reaches fifty and `u5` five. */
export const LISTED = 10_000;
export const LISTERS = { 50: 'u50', 5: 'u5' };
export const LISTING_AGENT = AGENTS[0].id;

export function reaches(share, i) {
  return share === 50 ? i % 2 === 0 : i % 20 === 1;
}

function addLists({ relationships }) {
  for (const [share, user] of Object.entries(LISTERS)) {
    relationships.push(`agent:${LISTING_AGENT}#delegator@user:${user}`);
    for (let i = 0; i < LISTED; i += 1)
      if (reaches(Number(share), i)) relationships.push(`employee:l${i}#manager@user:${user}`);
  }
}

export function makeWorld(seed) {
  const random = generator(seed);
  const below = (n) => Math.floor(random() * n);
  const pick = (list) => list[below(list.length)];
  const relationships = new Set();

  // People: a tree of managers; a record reports to its manager's.
  const people = Array.from({ length: PEOPLE }, (_, i) => `p${String(i).padStart(3, '0')}`);
  const above = people.map((_, i) => (i === 0 ? undefined : Math.floor((i - 1) / REPORTS)));
  const manages = (user, employee) => {
    for (let at = above[employee]; at !== undefined; at = above[at]) if (at === user) return true;
    return false;
  };
  for (const [i, boss] of above.entries()) {
    if (boss === undefined) continue;
    relationships.add(`employee:${people[i]}#manager@user:${people[boss]}`);
    relationships.add(`employee:${people[i]}#reports_to@employee:${people[boss]}`);
  }
  relationships.add(`employee:${people[0]}#compensation_viewer@team:t0#member`);
  for (let i = 1; i <= REPORTS; i += 1)
    relationships.add(`employee:${people[i]}#compensation_viewer@user:${people[i]}`);

  // Teams: nested four wide; some people are in two.
  const outer = (team) => (team === 0 ? undefined : Math.floor((team - 1) / 4));
  for (let t = 1; t < TEAMS; t += 1) relationships.add(`team:t${outer(t)}#member@team:t${t}#member`);
  const teamsOf = people.map((person, i) => {
    const direct = new Set([i % TEAMS, ...(i % 5 === 0 ? [below(TEAMS)] : [])]);
    for (const t of direct) relationships.add(`team:t${t}#member@user:${person}`);
    const all = new Set();
    for (const t of direct) for (let at = t; at !== undefined; at = outer(at)) all.add(at);
    return all;
  });

  // Repositories: an owning team, a maintainer, and for some a team that reads.
  const repositories = Array.from({ length: REPOSITORIES }, (_, i) => {
    const repository = {
      id: `r${String(i).padStart(3, '0')}`,
      owner: below(TEAMS),
      maintainer: below(PEOPLE),
      readers: new Set(),
      readingTeam: i % 2 === 0 ? below(TEAMS) : undefined,
    };
    relationships.add(`repository:${repository.id}#owner@team:t${repository.owner}#member`);
    relationships.add(`repository:${repository.id}#maintainer@user:${people[repository.maintainer]}`);
    if (repository.readingTeam !== undefined)
      relationships.add(`repository:${repository.id}#reader@team:t${repository.readingTeam}#member`);
    return repository;
  });
  const pushes = (user, r) => teamsOf[user].has(r.owner) || r.maintainer === user;
  const reads = (user, r) => pushes(user, r) || r.readers.has(user) || teamsOf[user].has(r.readingTeam);

  // Delegations: an assistant for everybody, a coder for most, an exporter for some; half of them with an end.
  const delegated = people.map((person, i) => {
    const to = new Set([
      below(6),
      ...(i % 4 === 3 ? [] : [6 + below(4)]),
      ...(i < PEOPLE / REPORTS && i % 2 === 0 ? [10 + below(2)] : []),
    ]);
    for (const a of to) {
      const end = random() < 0.5 ? '[expiration:2099-12-31T23:59:59Z]' : '';
      relationships.add(`agent:${AGENTS[a].id}#delegator@user:${person}${end}`);
    }
    return to;
  });

  // Single readers make up the number.
  while (relationships.size < RELATIONSHIPS) {
    const [repository, user] = [pick(repositories), below(PEOPLE)];
    repository.readers.add(user);
    relationships.add(`repository:${repository.id}#reader@user:${people[user]}`);
  }

  const employeeStatus = people.map((_, i) => (i % 40 === 39 ? 'sealed' : 'active'));
  const visibility = repositories.map((_, i) => (i % 40 === 39 ? 'sealed' : pick(['private', 'internal', 'public'])));
  const entities = [
    ...AGENTS.map(({ id, kind, suspended }) => ({
      type: 'agent',
      id,
      attributes: { name: `Agent ${id}`, kind, suspended, vendor: 'acme' },
    })),
    ...people.map((id) => ({ type: 'user', id, attributes: { name: `Person ${id}` } })),
    ...people.map((id, i) => ({
      type: 'employee',
      id,
      attributes: {
        status: employeeStatus[i], name: `Person ${id}`, title: 'Engineer', department: `department-${i % 12}`, location: `city-${i % 7}`,
        email: `${id}@acme.example`, salary: 60_000 + 500 * i, ssn: `000-00-${String(i).padStart(4, '0')}`,
      }, // prettier-ignore
    })),
    ...repositories.map(({ id }, i) => ({
      type: 'repository',
      id,
      attributes: {
        visibility: visibility[i],
        protected_branches: ['main', 'release'],
        name: `Repository ${id}`,
        language: pick(['go', 'python', 'typescript']),
      },
    })),
  ];

  const expected = ({ user, agent, action, resource, branch }) => {
    if (!delegated[user].has(agent) || AGENTS[agent].suspended) return false;
    if (action.type === 'employee') {
      if (action.name === 'delete' || (action.name === 'export' && AGENTS[agent].kind !== 'payroll-exporter'))
        return false;
      return manages(user, resource) && employeeStatus[resource] !== 'sealed';
    }
    if (visibility[resource] === 'sealed' || branch === 'main') return false;
    return (action.name === 'read' ? reads : pushes)(user, repositories[resource]);
  };

  const draw = (action) => {
    const user = action.type === 'employee' ? below(PEOPLE / REPORTS) : below(PEOPLE); // For records, somebody who manages.
    const agent = random() < 0.95 ? pick([...delegated[user]]) : below(AGENTS.length);
    const branch =
      action.type === 'repository' && action.name !== 'read'
        ? random() < 0.1
          ? 'main'
          : `fix-${below(50)}`
        : undefined;
    return { user, agent, action, resource: below(action.type === 'employee' ? PEOPLE : REPOSITORIES), branch };
  };
  const questions = new Map();
  for (const action of ACTIONS) {
    const wanted = { true: action.allow, false: action.deny };
    while (wanted.true + wanted.false > 0) {
      const drawn = draw(action);
      const expect = expected(drawn);
      const question = {
        user: people[drawn.user],
        agent: AGENTS[drawn.agent].id,
        action: { name: action.name, ...(drawn.branch === undefined ? {} : { properties: { branch: drawn.branch } }) },
        resource: {
          type: action.type,
          id: (action.type === 'employee' ? people : repositories.map((r) => r.id))[drawn.resource],
        },
        expect,
      };
      const text = JSON.stringify(question);
      if (wanted[expect] === 0 || questions.has(text)) continue;
      wanted[expect] -= 1;
      questions.set(text, question);
    }
  }
  return { relationships: [...relationships], entities, questions: shuffled([...questions.values()], below) };
}

/** Agents' policies on every action, and people's to make up the number: a slice for agents must leave those out. */
function generatedPolicies(already) {
  const texts = ACTIONS.flatMap((action, n) =>
    CONDITIONS[action.type](n).map((when, k) =>
      forbid(`bench-agents-${action.type}-${action.name}-${k}`, 'principal is Agent', action, when),
    ),
  );
  for (let n = 0; already + texts.length < POLICIES; n += 1) {
    const action = ACTIONS[n % ACTIONS.length];
    const attribute = action.type === 'employee' ? 'status' : 'visibility';
    texts.push(forbid(`bench-people-${n}`, 'principal is User', action, `resource.${attribute} == "hold-${n}"`));
  }
  return texts.join('\n');
}

function forbid(id, principal, action, when) {
  return `@id("${id}")\nforbid (${principal}, action == ${action.uid}, resource is ${action.resource})\nwhen { ${when} };\n`;
}

function countPolicies(directory) {
  const texts = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.cedar'))
    .map((f) => readFileSync(join(directory, f), 'utf8'));
  return texts.join('\n').match(/^@id\(/gm)?.length ?? 0;
}

/** Mulberry32: the same numbers for the same seed, everywhere. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(list, below) {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = below(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
