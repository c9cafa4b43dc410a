/** Takes out of a request for Cedar what some of its policies don't read, so that their answers can be kept by the rest. */
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from './cedar.js';
import type { PolicyReads, ValueReads } from './policy-reads.js';
import { findReachedEntities, type EntitySource } from './reached-entities.js';
import { formatUid, isActionType, type EntityUid } from './schema/uid.js';
import { unwrapUid } from './scope-match.js';

type ContextValues = Readonly<Record<string, CedarValueJson>>;

export function projectRequest(request: CedarRequest, reads: PolicyReads): CedarRequest {
  const entities = new Map(request.entities.map((entity) => [formatUid(unwrapUid(entity.uid)), entity]));
  const source: EntitySource = {
    attributes: (uid) => entities.get(formatUid(uid))?.attrs,
    reference: (_type, value) => (value as { readonly __entity?: EntityUid }).__entity,
  };
  const context = request.context as ContextValues;
  const reached = findReachedEntities(reads, { ...request, context }, source);
  const readsByUid = new Map(reached.map((entity) => [formatUid(entity.uid), entity.reads]));
  return {
    ...request,
    context: projectRecord(context, reads.context),
    entities: [...entities].flatMap(([key, entity]) => projectEntity(entity, readsByUid.get(key))),
  };
}

/** @param reads undefined where the policies don't reach it */
function projectEntity(entity: EntityJson, reads: ValueReads | undefined): EntityJson[] {
  // Actions have no attributes, and whatever is asked about one may be asked about its groups.
  if (isActionType(unwrapUid(entity.uid).type)) return [entity];
  if (reads === undefined) return [];
  const { uid, attrs, parents } = entity;
  return [{ uid, attrs: projectRecord(attrs, { ...reads, whole: false }), parents: reads.ancestors ? parents : [] }];
}

function projectRecord(values: ContextValues, reads: ValueReads): Record<string, CedarValueJson> {
  if (reads.whole) return { ...values };
  return Object.fromEntries(
    [...reads.members].flatMap(([name, member]): [string, CedarValueJson][] => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      if (value === undefined) return [];
      return [[name, member.type.kind === 'Record' ? projectRecord(value as ContextValues, member) : value]];
    }),
  );
}
