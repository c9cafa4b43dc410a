/** A request that a newcomer can try: `remit serve` prints it where there are development keys to ask with. */
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import type { RelationshipFilter, RelationshipGraph } from '../graph/port.js';
import type { Relationship } from '../model/relationships.js';
import type { FastifyInstance } from 'fastify';
import type { Service } from '../service/service.js';
import type { ExampleRequest } from './print/welcome.js';

/** Bounds on what is read of the graph: a start must not wait for a large one. */
const MAX_EXAMPLE_DELEGATIONS = 20;
const MAX_EXAMPLE_RELATIONSHIPS = 500;
const MAX_EXAMPLE_RESOURCES = 100;
const MAX_EXAMPLE_QUESTIONS = 10;

interface ResourceOrUser {
  readonly type: string;
  readonly id: string;
}

/**
 * Finds a request of an agent of this world that is allowed, a read before any other.
 * @param app answers for the service
 * @returns one that is denied where none is allowed; undefined without a development client and issuer, or where the
 * world has no agent with a user who may do anything
 */
export async function findExampleRequest(service: Service, app: FastifyInstance): Promise<ExampleRequest | undefined> {
  let denied: ExampleRequest | undefined;
  let questions = 0;
  for await (const example of findRequests(service)) {
    if (await isAllowed(service, app, example)) return example;
    denied ??= example;
    questions += 1;
    if (questions === MAX_EXAMPLE_QUESTIONS) break;
  }
  return denied;
}

/** Whether an agent of the sample may be suspended, or a policy of the world forbid it, only a decision says. */
async function isAllowed(service: Service, app: FastifyInstance, { body }: ExampleRequest): Promise<boolean> {
  const response = await app.inject({
    method: 'POST',
    url: '/access/v1/evaluation',
    headers: { host: new URL(app.getBaseUrl()).host, authorization: `Bearer ${service.devKey ?? ''}` },
    payload: { ...body, context: { ...body.context, dry_run: true } },
  });
  return response.statusCode === 200 && response.json<{ decision: boolean }>().decision;
}

/** Requests for actions on resources that the users of agents hold the permission on. */
async function* findRequests(service: Service): AsyncGenerator<ExampleRequest> {
  const { devIssuer, devKey, activePolicies } = service;
  const { agentObject, userObject, actions } = activePolicies.rules.vocabulary;
  if (devKey === undefined || devIssuer === undefined || agentObject === undefined || userObject === undefined) return;
  const delegationFilter = { resourceType: agentObject, relation: DELEGATOR_RELATION, subjectType: userObject };
  const delegations = await readSome(activePolicies.engine, delegationFilter, MAX_EXAMPLE_DELEGATIONS);
  for (const action of actions.toSorted((a, b) => Number(b.name === 'read') - Number(a.name === 'read'))) {
    for (const { resource: agent, subject: user } of delegations) {
      const [type] = action.resourceTypes;
      if (type === undefined || action.consent !== undefined) continue;
      const resource = await findPermittedResource(activePolicies.engine, type.object, action.permission, user);
      if (resource === undefined) continue;
      const token = await devIssuer.mint({
        user: user.id,
        agent: agent.id,
        scope: action.scope,
        ttlSeconds: 3600,
        now: service.now(),
      });
      yield {
        question: `may ${agent.id} do this for ${user.id}: ${action.title} (${resource.type} ${resource.id})?`,
        body: {
          subject: { type: user.type, id: user.id },
          action: { name: action.name },
          resource,
          context: { token },
        },
      };
    }
  }
}

/** A resource that the user has the permission on, over a path of two relationships where there is one: it shows more. */
async function findPermittedResource(
  relationships: RelationshipGraph,
  resourceType: string,
  permission: string,
  user: ResourceOrUser,
): Promise<ResourceOrUser | undefined> {
  const stored = await readSome(relationships, { resourceType }, MAX_EXAMPLE_RELATIONSHIPS);
  const resources = [...new Map(stored.map(({ resource }) => [resource.id, resource])).values()];
  const checked = resources.slice(0, MAX_EXAMPLE_RESOURCES);
  const answers = await relationships.check(
    checked.map((resource) => ({ resource, permission, subject: user, explain: true })),
    'full',
  );
  const permitted = checked.flatMap((resource, i) => {
    const answer = answers[i];
    return answer?.result === 'yes' ? [{ resource, pathLength: answer.path?.length ?? 1 }] : [];
  });
  return (permitted.find(({ pathLength }) => pathLength === 2) ?? permitted[0])?.resource;
}

/** Relationships for an example; none where the graph can't be read. */
async function readSome(
  graph: RelationshipGraph,
  filter: RelationshipFilter,
  limit: number,
): Promise<readonly Relationship[]> {
  const list = await graph.read(filter, limit, 'full').catch(() => undefined);
  return list?.relationships ?? [];
}
