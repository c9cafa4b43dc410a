/**
 * The benchmark's worlds, made from a seed: a company of so many relationships, its entities, and different questions,
 * each with the answer that an oracle here expects. The oracle knows the world as it was built and not as an engine
 * stores it, so it can contradict the engines.
 */
import { ACTIONS, AGENTS, CAN, PERMISSIONS } from './actions.mjs';
import { generator, shuffled } from './random.mjs';

/** Direct reports a manager has: with two thousand relationships records lie up to four levels deep, with a million eight. */
const REPORTS = 5;
/** Teams within a team. */
const NESTED = 4;

/**
 * A company of so many relationships. People, teams and repositories are the same shares of them whatever the number, so
 * that what grows is the company and the depth of its trees.
 */
export function makeWorld({ seed, relationships: wanted, questions: count }) {
  const [PEOPLE, TEAMS, REPOSITORIES] = [0.14, 0.03, 0.1].map((share) => Math.round(wanted * share));
  const random = generator(seed);
  const below = (n) => Math.floor(random() * n);
  const pick = (list) => list[below(list.length)];
  const relationships = new Set();

  // People: a tree of managers; a record reports to its manager's.
  const people = Array.from({ length: PEOPLE }, (_, i) => `p${String(i).padStart(3, '0')}`);
  const above = (i) => (i === 0 ? undefined : Math.floor((i - 1) / REPORTS));
  const managers = (employee) => {
    const all = [];
    for (let at = above(employee); at !== undefined; at = above(at)) all.push(at);
    return all;
  };
  for (let i = 1; i < PEOPLE; i += 1) {
    relationships.add(`employee:${people[i]}#manager@user:${people[above(i)]}`);
    relationships.add(`employee:${people[i]}#reports_to@employee:${people[above(i)]}`);
  }
  // A team without others in it: who is cleared to see pay are few.
  relationships.add(`employee:${people[0]}#compensation_viewer@team:t${TEAMS - 1}#member`);
  for (let i = 1; i <= REPORTS; i += 1)
    relationships.add(`employee:${people[i]}#compensation_viewer@user:${people[i]}`);

  // Teams: nested; some people are in two.
  const outer = (team) => (team === 0 ? undefined : Math.floor((team - 1) / NESTED));
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
  while (relationships.size < wanted) {
    const [repository, user] = [pick(repositories), below(PEOPLE)];
    repository.readers.add(user);
    relationships.add(`repository:${repository.id}#reader@user:${people[user]}`);
  }

  const employeeStatus = people.map((_, i) => (i % 40 === 39 ? 'sealed' : 'active'));
  const visibility = repositories.map((_, i) => (i % 40 === 39 ? 'sealed' : pick(['private', 'internal', 'public'])));
  const languages = repositories.map(() => pick(['go', 'python', 'typescript']));
  const entities = function* () {
    for (const { id, kind, suspended } of AGENTS)
      yield { type: 'agent', id, attributes: { name: `Agent ${id}`, kind, suspended, vendor: 'acme' } };
    for (const id of people) yield { type: 'user', id, attributes: { name: `Person ${id}` } };
    for (const [i, id] of people.entries())
      yield {
        type: 'employee',
        id,
        attributes: {
          status: employeeStatus[i], name: `Person ${id}`, title: 'Engineer', department: `department-${i % 12}`, location: `city-${i % 7}`,
          email: `${id}@acme.example`, salary: 60_000 + 500 * i, ssn: `000-00-${String(i).padStart(4, '0')}`,
        }, // prettier-ignore
      };
    for (const [i, { id }] of repositories.entries())
      yield {
        type: 'repository',
        id,
        attributes: {
          visibility: visibility[i],
          protected_branches: ['main', 'release'],
          name: `Repository ${id}`,
          language: languages[i],
        },
      };
  };

  /** Whether the user holds the action's permission. */
  const holds = ({ user, action, resource }) => {
    if (action.type === 'employee') return managers(resource).includes(user);
    return (action.name === 'read' ? reads : pushes)(user, repositories[resource]);
  };
  const expected = (asked) => {
    const { user, agent, action, resource, branch } = asked;
    if (!delegated[user].has(agent) || AGENTS[agent].suspended) return false;
    if (action.type === 'employee') {
      if (action.name === 'delete' || (action.name === 'export' && AGENTS[agent].kind !== 'payroll-exporter'))
        return false;
      return holds(asked) && employeeStatus[resource] !== 'sealed';
    }
    if (visibility[resource] === 'sealed' || branch === 'main') return false;
    return holds(asked);
  };

  /** Somebody of a team, or of those within it. */
  const memberOf = (team) => {
    let t = team;
    while (below(2) === 0 && NESTED * t + NESTED < TEAMS) t = NESTED * t + 1 + below(NESTED);
    return Math.min(PEOPLE - 1, t + TEAMS * below(Math.ceil(PEOPLE / TEAMS)));
  };
  /** Somebody who may have to do with it: by chance alone nobody would, in a large company. */
  const near = (action, resource) => {
    if (action.type === 'employee') return pick(managers(resource)) ?? 0;
    const { owner, maintainer, readers, readingTeam } = repositories[resource];
    const ways = [() => memberOf(owner), () => memberOf(owner), () => maintainer];
    if (readingTeam !== undefined) ways.push(() => memberOf(readingTeam));
    if (readers.size > 0) ways.push(() => pick([...readers]));
    return pick(ways)();
  };
  const draw = (action) => {
    const resource = below(action.type === 'employee' ? PEOPLE : REPOSITORIES);
    const anybody = () => below(action.type === 'employee' ? Math.ceil(PEOPLE / REPORTS) : PEOPLE);
    const user = random() < 0.9 ? near(action, resource) : anybody();
    const agent = random() < 0.95 ? pick([...delegated[user]]) : below(AGENTS.length);
    const branch =
      action.type === 'repository' && action.name !== 'read'
        ? random() < 0.1
          ? 'main'
          : `fix-${below(50)}`
        : undefined;
    return { user, agent, action, resource, branch };
  };
  const questions = new Map();
  for (const action of ACTIONS) {
    const wanted = { true: (action.allow * count) / 1000, false: (action.deny * count) / 1000 };
    while (wanted.true + wanted.false > 0) {
      const drawn = draw(action);
      const expect = expected(drawn);
      const question = {
        user: people[drawn.user],
        agent: AGENTS[drawn.agent].id,
        action: { name: action.name, ...(drawn.branch === undefined ? {} : { properties: { branch: drawn.branch } }) },
        resource: {
          type: action.type,
          id: action.type === 'employee' ? people[drawn.resource] : repositories[drawn.resource].id,
        },
        /** The check of the relationship, what SpiceDB must say of it, and what a decision asks beside it. */
        check: {
          permission: PERMISSIONS[`${action.type} ${action.name}`] ?? action.name,
          holds: holds(drawn),
          can: CAN[`${action.type} ${action.name}`] ?? [],
        },
        expect,
      };
      const text = JSON.stringify(question);
      if (wanted[expect] <= 0 || questions.has(text)) continue;
      wanted[expect] -= 1;
      questions.set(text, question);
    }
  }
  return { relationships: [...relationships], entities, questions: shuffled([...questions.values()], below) };
}
